//! Tests of the whole crate: files in, model and diagnostics out.

mod accepted;
mod arbitrary;
mod codes;
mod fixtures;
mod generated;
mod rendered;
mod survive;

use std::collections::BTreeMap;

use crate::{AppName, Appling, Assembled, Iterapp, assemble, render};

/// Assembles the app `shop` from these files.
fn shop(files: &[(&str, &str)]) -> Assembled {
    let bytes = |(path, text): &(&str, &str)| ((*path).to_owned(), text.as_bytes().to_vec());
    let repository: BTreeMap<_, _> = files.iter().map(bytes).collect();
    assemble(&AppName::parse("shop").unwrap(), &repository)
}

/// Assembles an app with one appling, whose file is this.
fn one(text: &str) -> Assembled {
    shop(&[("Dockerfile", ""), ("iterapp.toml", text)])
}

/// The model of files without errors.
fn good(assembled: Assembled) -> Iterapp {
    let told = render::plain(&assembled.diagnostics, &assembled.sources);
    assembled.iterapp.unwrap_or_else(|| panic!("{told}"))
}

/// The only appling of files without any problem.
fn appling(text: &str) -> Appling {
    let assembled = one(text);
    assert_eq!(assembled.diagnostics, [], "{text}");
    good(assembled).applings.remove(0)
}

/// The problems of a root file, one a line.
fn told(text: &str) -> String {
    let assembled = one(text);
    render::plain(&assembled.diagnostics, &assembled.sources)
}
