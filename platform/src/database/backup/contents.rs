//! What is in a database, so that two can be compared: the rows of each table with a checksum that does
//! not depend on their order, and how many objects of each kind there are.
//!
//! Sequences are left out, as Postgres leaves them out of its snapshots, and so are large objects, and the
//! rows of materialized views, which a restore makes anew.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use crate::database::provision::ident;

/// What is in a database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Rows and checksum of each table, by `schema.table`.
    pub tables: BTreeMap<String, Table>,
    /// How many there are of each kind of object: indexes, views, functions, constraints, triggers.
    pub objects: BTreeMap<String, i64>,
}

/// What is in a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its rows.
    pub rows: i64,
    /// The sum of the rows' digests.
    pub checksum: String,
}

/// Makes rows the same text wherever they are.
const SETTINGS: &str = "set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres'; \
    set local timezone = 'UTC'; set local bytea_output = 'hex'; set local extra_float_digits = 1; \
    set local lc_monetary = 'C'; set local statement_timeout = 0";

/// The tables of the author: none of Postgres' own, and none of an extension's.
const TABLES: &str = "select n.nspname::text, c.relname::text from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')
      and n.nspname not like 'pg\\_%'
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    order by 1, 2";

/// What an extension brings is not counted: another server has another version of it.
const OBJECTS: &str = "with own as (
        select oid from pg_namespace
        where nspname not in ('pg_catalog', 'information_schema') and nspname not like 'pg\\_%'
    ), extensions as (select classid, objid from pg_depend where deptype = 'e')
    select case relkind when 'i' then 'indexes' when 'v' then 'views' when 'm' then 'materialized views'
                        when 'S' then 'sequences' when 'f' then 'foreign tables' else 'tables' end, count(*)
      from pg_class c where relnamespace in (select oid from own) and relkind in ('i', 'v', 'S', 'f', 'r', 'p', 'm')
        and not exists (select from extensions e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
      group by 1
    union all select 'functions', count(*) from pg_proc p where pronamespace in (select oid from own)
        and not exists (select from extensions e where e.classid = 'pg_proc'::regclass and e.objid = p.oid)
    union all select 'constraints', count(*) from pg_constraint where connamespace in (select oid from own) and contype <> 'n'
    union all select 'triggers', count(*) from pg_trigger t join pg_class c on c.oid = t.tgrelid
      where c.relnamespace in (select oid from own) and not t.tgisinternal";

impl Contents {
    /// Reads them in the transaction that the connection is in.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn read(connection: &mut PgConnection) -> sqlx::Result<Contents> {
        connection.execute(SETTINGS).await?;
        let mut contents = Contents::default();
        let tables: Vec<(String, String)> =
            sqlx::query_as(TABLES).fetch_all(&mut *connection).await?;
        for (schema, table) in tables {
            let count = format!(
                "select count(*), coalesce(sum(('x' || substr(md5(\"hops row\"::text), 1, 15))::bit(60)::bigint), 0)::text from {}.{} as \"hops row\"",
                ident(&schema),
                ident(&table)
            );
            let row = sqlx::query(AssertSqlSafe(count))
                .fetch_one(&mut *connection)
                .await?;
            let found = Table {
                rows: row.get(0),
                checksum: row.get(1),
            };
            contents.tables.insert(format!("{schema}.{table}"), found);
        }
        let objects: Vec<(String, i64)> =
            sqlx::query_as(OBJECTS).fetch_all(&mut *connection).await?;
        contents.objects = objects.into_iter().collect();
        Ok(contents)
    }

    /// How many rows there are in all.
    pub fn rows(&self) -> i64 {
        self.tables.values().map(|table| table.rows).sum()
    }

    /// The first thing in which another differs, in words; nothing when it is the same.
    pub fn difference(&self, other: &Contents) -> Option<String> {
        self.difference_of_rows(other)
            .or_else(|| self.difference_of_objects(other))
    }

    /// The first table in which another differs.
    pub fn difference_of_rows(&self, other: &Contents) -> Option<String> {
        let names = self.tables.keys().chain(other.tables.keys());
        for name in names {
            match (self.tables.get(name), other.tables.get(name)) {
                (Some(one), Some(two)) if one == two => {}
                (Some(one), Some(two)) if one.rows == two.rows => {
                    return Some(format!("the rows of {name} are others"));
                }
                (Some(one), Some(two)) => {
                    return Some(format!(
                        "{name} has {} rows, and had {}",
                        two.rows, one.rows
                    ));
                }
                (Some(_), None) => return Some(format!("{name} is missing")),
                (None, _) => return Some(format!("{name} was not there")),
            }
        }
        None
    }

    /// The first kind of objects of which another has more or less. Servers of other versions may count
    /// otherwise.
    pub fn difference_of_objects(&self, other: &Contents) -> Option<String> {
        let kinds = self.objects.keys().chain(other.objects.keys());
        for kind in kinds {
            let count = |contents: &Contents| contents.objects.get(kind).copied().unwrap_or(0);
            if count(self) != count(other) {
                let (had, has) = (count(self), count(other));
                return Some(format!("there are {has} {kind}, and there were {had}"));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(rows: i64, checksum: &str, indexes: i64) -> Contents {
        let table = Table {
            rows,
            checksum: checksum.to_owned(),
        };
        Contents {
            tables: [("public.notes".to_owned(), table)].into(),
            objects: [("indexes".to_owned(), indexes)].into(),
        }
    }

    #[test]
    fn what_differs_is_told() {
        let was = contents(2, "11", 1);
        assert_eq!(was.difference(&was), None);
        let told = |now: Contents| was.difference(&now).unwrap();
        assert_eq!(
            told(contents(1, "5", 1)),
            "public.notes has 1 rows, and had 2"
        );
        assert_eq!(
            told(contents(2, "12", 1)),
            "the rows of public.notes are others"
        );
        assert_eq!(
            told(contents(2, "11", 0)),
            "there are 0 indexes, and there were 1"
        );
        assert_eq!(told(Contents::default()), "public.notes is missing");
    }
}
