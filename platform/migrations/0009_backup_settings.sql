-- What `alter database … set` had set may be secret: it is sealed, and no part of what stands there in clear.
-- (Backups from before are restored without.)
alter table backups add column settings bytea;   -- sealed
alter table backups add column rows bigint;
update backups set contents = contents - 'settings',
                   rows = (select coalesce(sum((value ->> 'rows')::bigint), 0) from jsonb_each(contents -> 'tables'))
where contents is not null;
