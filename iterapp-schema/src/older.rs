//! Older spellings of keys: they mean what they always did, and are told of.

use crate::diagnostic::{Code, Diagnostic, Edit, Related};
use crate::file::{Fault, File};
use crate::format::At;

/// The value of a key that has an older spelling.
pub fn spelling<T>(
    old_name: &str,
    old: Option<At<T>>,
    name: &str,
    present: Option<At<T>>,
    file: &mut File,
) -> Option<At<T>> {
    let Some(old) = old else { return present };
    let rename = Edit::new(old.key.clone(), name);
    told(old_name, &old, name, present.as_ref(), vec![rename], file);
    present.or(Some(old))
}

/// Says that a key is an older spelling, or that the present one is there as well.
pub fn told<T, U>(
    old_name: &str,
    old: &At<T>,
    name: &str,
    present: Option<&At<U>>,
    edits: Vec<Edit>,
    file: &mut File,
) {
    let Some(present) = present else {
        let message = format!("`{old_name}` is an older spelling of `{name}`");
        let fault = Fault::new(Code::OlderSpelling, message).hint(format!("write `{name}`"));
        // The present one may be there, in a line that was not read.
        let fault = match file.is_unread(name) {
            true => fault,
            false => fault.edits(edits),
        };
        return file.report(old.key.clone(), fault);
    };
    let message = format!("`{old_name}` and `{name}` are the same key, which is set twice");
    let problem = Diagnostic::new(Code::DuplicateKey, file.path, message)
        .at(old.key.clone())
        .hint(format!("keep `{name}`"))
        .related(Related {
            file: file.path.to_owned(),
            span: present.key.clone(),
            message: "set here too".to_owned(),
        });
    file.add(problem);
}
