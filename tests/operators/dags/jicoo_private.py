"""Personal data in every argument that may hold some, plain and mapped, and in the words of a failure."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_jicoo.operators.bookings import CreateBookingOperator, UpdateBookingOperator

WORDS = {
    "company": "Zweig GmbH",
    "text_remind_number": "07011112222",
    "cc_emails": ["cc.zweig@example.com"],
    "message": "Meine Geheimzahl",
    "phone_number": "07033334444",
    "answers": [{"question_uid": "q1", "content": "Rückenschmerzen"}],
}

with DAG(
    "jicoo_private",
    schedule=None,
    params={name: Param(type="string") for name in ("event_type_id", "uid")},
    # Rendered from a function: what is in params stands in the run's configuration, by the user's own doing.
    user_defined_macros={"guest": lambda: "zweig.guest@example.com", "called": lambda: "Stefanie Zweig"},
):
    guest = {
        "time_zone": "Asia/Tokyo",
        "event_type_id": "{{ params.event_type_id }}",
        "guest_email": "{{ guest() }}",
        "name": "{{ called() }}",
        "location_id": None,
        **WORDS,
    }
    # Jicoo makes the guest's name a part of the booking's, and that is what the operator returns.
    plain = CreateBookingOperator(task_id="plain", started_at="2031-03-05T10:00", do_xcom_push=False, **guest)
    mapped = {name: value for name, value in guest.items() if name not in ("name", "message")}
    CreateBookingOperator.partial(task_id="mapped", do_xcom_push=False, **mapped).expand_kwargs(
        [
            {"started_at": f"2031-03-0{day}T10:00", "name": "{{ called() }}", "message": "Meine Geheimzahl"}
            for day in (6, 7)
        ]
    )
    refused = CreateBookingOperator(
        task_id="refused", started_at="2031-03-05T10:00", **{**guest, "event_type_id": "unknown"}
    )

    words = {"description": "Für {{ called() }}", "update_message": "Liebe {{ called() }}"}
    update = UpdateBookingOperator(
        task_id="update", uid="{{ params.uid }}", name="{{ called() }}", do_xcom_push=False, **words
    )
    UpdateBookingOperator.partial(task_id="update_mapped", do_xcom_push=False, **words).expand(
        uid=["{{ params.uid }}", "{{ params.uid }}"]
    )
