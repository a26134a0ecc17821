"""What operators and sensors share, and know of Airflow."""
