-- Key pairs whose public halves seal values in repositories. The newest seals; each opens what it
-- sealed.
create table sealing_keys (
    public_key  bytea primary key,
    private_key bytea not null,     -- sealed
    created_at  timestamptz not null default now()
);

-- Secrets that were given to the platform by hand, for one environment.
create table secrets (
    environment uuid not null references environments (id),
    name        text not null,
    key         text not null,
    value       bytea not null,     -- sealed
    updated_at  timestamptz not null default now(),
    primary key (environment, name, key)
);

-- What a build mounts, as its file has it: sealed, or the names of secrets of that environment.
alter table builds
    add column secrets     jsonb not null default '{}',
    add column environment text;
