-- Keys with which servers sign what they hand out, such as a quoted price. Times are microseconds.
CREATE TABLE signing_key (
    purpose TEXT   NOT NULL PRIMARY KEY,
    secret  TEXT   NOT NULL,
    at      BIGINT NOT NULL
);
