"""The pages of plans and runs in Airflow's UI."""
