-- What is wanted, and what happened.
--
-- Rows that are work (pushes, builds, environments) carry the four columns of a lease:
--   due_at       when the row wants attention; null while nobody has to look
--   lease_until  a controller works on it until then; null when nobody does
--   epoch        counts the claims; a write by an older epoch changes nothing
--   attempts     failures in a row, for the back-off

create table apps (
    name              text primary key,
    repository        text,
    default_branch    text,
    -- The default branch's tip that was last considered for a release.
    seen_tip          text,
    webhook_secret    bytea not null,   -- sealed
    forge_token       bytea,            -- sealed
    deploy_key        bytea,            -- sealed
    deploy_key_public text,
    known_hosts       text,
    release_count     bigint not null default 0,
    created_at        timestamptz not null default now()
);

create table pushes (
    id          uuid primary key,
    app         text not null references apps (name),
    source      text not null check (source in ('webhook', 'push', 'sweep')),
    delivery    text,
    branch      text not null,
    -- What became of it: a release, or the reason why there is none.
    release     uuid,
    outcome     text,
    created_at  timestamptz not null default now(),
    due_at      timestamptz,
    lease_until timestamptz,
    epoch       bigint not null default 0,
    attempts    int not null default 0,
    unique (app, delivery)
);
create index pushes_due on pushes (due_at) where due_at is not null or lease_until is not null;

create table environments (
    id          uuid primary key,
    app         text not null references apps (name),
    name        text not null,
    due_at      timestamptz,
    lease_until timestamptz,
    epoch       bigint not null default 0,
    attempts    int not null default 0,
    unique (app, name)
);

create table releases (
    id          uuid primary key,
    app         text not null references apps (name),
    environment uuid not null references environments (id),
    number      bigint not null,
    reference   text not null,
    commit      text not null,
    subject     text not null,
    cause       text not null,
    state       text not null default 'queued'
                check (state in ('queued', 'running', 'live', 'failed', 'superseded', 'cancelled')),
    reason      text,
    -- Applings that ran before and that this release has no more.
    removes     text[] not null default '{}',
    created_at  timestamptz not null default now(),
    ended_at    timestamptz,
    unique (app, number),
    check ((ended_at is null) = (state in ('queued', 'running')))
);
create index releases_of_environment on releases (environment, number desc);
create index releases_unfinished on releases (environment) where ended_at is null;

create table builds (
    id          uuid primary key,
    app         text not null references apps (name),
    appling     text not null,
    commit      text not null,
    dockerfile  text not null,
    image       text not null,          -- registry/app/appling:commit, where it is pushed
    state       text not null default 'waiting'
                check (state in ('waiting', 'done', 'failed', 'cancelled')),
    digest      text,
    reason      text,
    created_at  timestamptz not null default now(),
    ended_at    timestamptz,
    due_at      timestamptz,
    lease_until timestamptz,
    epoch       bigint not null default 0,
    attempts    int not null default 0,
    check ((digest is not null) = (state = 'done'))
);
create index builds_due on builds (due_at) where due_at is not null or lease_until is not null;
create index builds_of_commit on builds (app, commit);

create table verdicts (
    release        uuid not null references releases (id),
    appling        text not null,
    position       int not null,
    spec           jsonb not null,
    build          uuid references builds (id),
    image          text,
    state          text not null default 'building'
                   check (state in ('building', 'rolling_out', 'live', 'failed', 'superseded', 'removed')),
    reason         text,
    waiting_for    text,
    on_trial_since timestamptz,
    primary key (release, appling)
);
create index verdicts_of_build on verdicts (build);

-- A host belongs to the app that first claimed it.
create table hosts (
    host       text primary key,
    app        text not null references apps (name),
    created_at timestamptz not null default now()
);

-- Lines of releases (steps of the platform) and builds (what the builder printed).
-- A writer locks its stream, so a number never appears after a higher one.
create table log_lines (
    stream  uuid not null,
    seq     bigint not null,
    at      timestamptz not null default now(),
    appling text,
    text    text not null,
    primary key (stream, seq)
);
