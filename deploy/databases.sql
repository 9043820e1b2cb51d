-- One database per service, and a user that owns it and reaches no other. Passwords are for
-- development: compose.yaml opens no port of this server.
CREATE USER registry PASSWORD 'registry';
CREATE DATABASE registry OWNER registry;
REVOKE CONNECT ON DATABASE registry FROM PUBLIC;

CREATE USER disbursement PASSWORD 'disbursement';
CREATE DATABASE disbursement OWNER disbursement;
REVOKE CONNECT ON DATABASE disbursement FROM PUBLIC;

CREATE USER coordination PASSWORD 'coordination';
CREATE DATABASE coordination OWNER coordination;
REVOKE CONNECT ON DATABASE coordination FROM PUBLIC;
