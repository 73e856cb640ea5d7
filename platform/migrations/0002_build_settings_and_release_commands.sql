-- What else an image is made of, and which paths its files are (globs; none: every release builds).
alter table builds
    add column target text,
    add column args   jsonb not null default '{}',
    add column watch  text[] not null default '{}';

-- A release command is a Job that runs between an appling's build and its rollout.
alter table verdicts
    -- The stream of its log lines.
    add column command            uuid,
    -- Since when its Job may run. Written down before it may, so that it never runs twice.
    add column command_started_at timestamptz,
    -- When its end was seen, or it was given up. It goes on when its release is superseded.
    add column command_ended_at   timestamptz,
    -- When its last line that is stored was written, in nanoseconds since 1970.
    add column command_log_until  bigint,
    add constraint verdicts_command_check
        check ((command is null) = (command_started_at is null)
               and (command_ended_at is null or command_started_at is not null)),
    drop constraint verdicts_state_check,
    add constraint verdicts_state_check
        check (state in ('building', 'releasing', 'rolling_out', 'live', 'failed', 'superseded', 'removed'));
create index verdicts_running_commands on verdicts (release)
    where command_started_at is not null and command_ended_at is null;
