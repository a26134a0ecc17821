"""Jicoo as a queue of Airflow's ``MessageQueueTrigger``."""
