-- The limits that a database was made with: it is made so again when the settings have others.
alter table databases add column limits text;

-- What fingerprints of secrets are made with. They are in names of objects in Kubernetes, so this stays when
-- the platform's own key is changed.
create table fingerprint_key (
    only_one  bool primary key default true check (only_one),
    key       bytea not null   -- sealed
);

-- A proof of a backup that was found wrong later is none.
update backups set proved_at = null where state = 'failed';
