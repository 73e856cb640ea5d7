//! `[postgres]`: a database per environment.

use std::ops::Range;

use crate::diagnostic::Code;
use crate::file::{Fault, File};
use crate::format::{At, PostgresKeys};
use crate::iterapp::{External, Postgres};

/// Reads `[postgres]`.
pub fn read(keys: Option<At<PostgresKeys>>, file: &mut File) -> Option<Postgres> {
    let PostgresKeys {
        extensions,
        pooling,
        external,
        proxy,
    } = keys?.value;
    without_effect(
        file,
        [
            extensions.as_ref().map(|at| (at.key.clone(), "extensions")),
            pooling.as_ref().map(|at| (at.key.clone(), "pooling")),
            proxy.as_ref().map(|at| (at.key.clone(), "proxy")),
        ],
        external.is_some(),
        proxy.as_ref().is_some_and(|at| at.value),
    );
    let proxy = proxy.is_some_and(|at| at.value);
    let extensions = extensions.map(|at| at.value.0).unwrap_or_default();
    Some(Postgres {
        extensions: extensions.into_iter().map(|at| at.value.0).collect(),
        pooling: pooling.map(|at| at.value).unwrap_or_default(),
        external: external.map(|at| External {
            secret: at.value.0,
            proxy,
        }),
    })
}

/// Tells of keys of `[postgres]` that do nothing beside the others.
fn without_effect(
    file: &mut File,
    [extensions, pooling, proxy]: [Option<(Range<usize>, &str)>; 3],
    is_external: bool,
    has_proxy: bool,
) {
    let beside_external = "beside `external`: the platform does not make that database";
    let idle = [
        (extensions, is_external, beside_external, "create it there"),
        (
            pooling,
            is_external && !has_proxy,
            "beside `external`: the SQL proxy is what pools",
            "ask for it with `proxy = true`",
        ),
        (
            proxy,
            !is_external,
            "without `external`: the platform's own databases are always reached through the SQL proxy",
            "remove it",
        ),
    ];
    for (key, is_idle, why, hint) in idle {
        if let Some((key, name)) = key.filter(|_| is_idle) {
            let message = format!("`{name}` in `[postgres]` does nothing {why}");
            file.report(key, Fault::new(Code::NoEffect, message).hint(hint));
        }
    }
}
