-- Whoever follows orders reads what happened to all of them by the time it happened.

CREATE INDEX order_event_at ON order_event (at, id);
