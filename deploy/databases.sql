-- One database per service, and four roles that reach no other: its owner migrates it, the API and
-- the worker run as roles that own nothing, and auditors read. What each may do with which table
-- `migrate` grants (libs/common/src/common/db/roles.py). Passwords are for development: compose.yaml
-- opens no port of this server.
CREATE ROLE registry_owner LOGIN PASSWORD 'registry_owner';
CREATE ROLE registry_api LOGIN PASSWORD 'registry_api';
CREATE ROLE registry_worker LOGIN PASSWORD 'registry_worker';
CREATE ROLE registry_auditor LOGIN PASSWORD 'registry_auditor';
CREATE DATABASE registry OWNER registry_owner;
REVOKE ALL ON DATABASE registry FROM PUBLIC;
GRANT CONNECT ON DATABASE registry TO registry_api, registry_worker, registry_auditor;

CREATE ROLE disbursement_owner LOGIN PASSWORD 'disbursement_owner';
CREATE ROLE disbursement_api LOGIN PASSWORD 'disbursement_api';
CREATE ROLE disbursement_worker LOGIN PASSWORD 'disbursement_worker';
CREATE ROLE disbursement_auditor LOGIN PASSWORD 'disbursement_auditor';
CREATE DATABASE disbursement OWNER disbursement_owner;
REVOKE ALL ON DATABASE disbursement FROM PUBLIC;
GRANT CONNECT ON DATABASE disbursement
    TO disbursement_api, disbursement_worker, disbursement_auditor;

CREATE ROLE coordination_owner LOGIN PASSWORD 'coordination_owner';
CREATE ROLE coordination_api LOGIN PASSWORD 'coordination_api';
CREATE ROLE coordination_worker LOGIN PASSWORD 'coordination_worker';
CREATE ROLE coordination_auditor LOGIN PASSWORD 'coordination_auditor';
CREATE DATABASE coordination OWNER coordination_owner;
REVOKE ALL ON DATABASE coordination FROM PUBLIC;
GRANT CONNECT ON DATABASE coordination
    TO coordination_api, coordination_worker, coordination_auditor;
