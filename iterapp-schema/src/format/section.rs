//! Sections: structs whose fields are the keys of a table, with one declaration for the reader, the
//! JSON Schema, the reference page and the editor.

use std::ops::Range;

use schemars::JsonSchema;
use toml::de::DeValue;

use crate::diagnostic::Code;
use crate::file::{Fault, File};
use crate::parse::Value;
use crate::unknown;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    pub value: T,
    /// The bytes of its key; of the value itself in a list.
    pub key: Range<usize>,
    /// The bytes of the value.
    pub span: Range<usize>,
}

impl<T> At<T> {
    /// The same place, with something else made of the value.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> At<U> {
        At {
            value: make(self.value),
            key: self.key,
            span: self.span,
        }
    }
}

/// In a file a value stands as itself.
impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// Something that is read from a value.
pub trait Read: Sized {
    /// Reads a value, or notes what is wrong with it. `key` is its name for messages.
    fn read(key: &str, value: &Value, file: &mut File) -> Option<Self>;

    /// Whether a value is of the right kind, whatever it says.
    fn fits(value: &DeValue) -> bool;

    /// What holds in an environment: this instead of the base's, or, for a table, key by key.
    fn over(self, base: Self) -> Self {
        let _ = base;
        self
    }
}

/// A table with keys that the format defines.
pub trait Section: Default {
    /// The keys, as they are written.
    const KEYS: &'static [&'static str];

    /// Reads a key, if it is one of the section's.
    fn take(&mut self, name: &str, key: Range<usize>, value: &Value, file: &mut File) -> bool;
}

/// Reads all keys of a table that is a section of its own.
pub fn read<S: Section>(header: &str, value: &Value, file: &mut File) -> Option<S> {
    let Some(table) = value.get_ref().as_table() else {
        file.wrong_type(header, "a table", value);
        return None;
    };
    let mut section = S::default();
    for (name, value) in table {
        if !section.take(name.get_ref(), name.span(), value, file) {
            unknown::in_section(header, S::KEYS, name, value, file);
        }
    }
    Some(section)
}

/// Reads the value of a key.
pub fn take<T: Read>(
    into: &mut Option<At<T>>,
    name: &str,
    key: Range<usize>,
    value: &Value,
    file: &mut File,
) {
    *into = T::read(name, value, file).map(|read| At {
        value: read,
        key,
        span: value.span(),
    });
}

/// The one of two that holds: the first, laid over the second where both are there.
pub fn over<T: Read>(this: Option<At<T>>, base: Option<At<T>>) -> Option<At<T>> {
    match (this, base) {
        (Some(this), Some(base)) => Some(At {
            value: this.value.over(base.value),
            key: this.key,
            span: this.span,
        }),
        (this, base) => this.or(base),
    }
}

/// Notes that a section lacks a key.
pub fn missing(header: &str, key: &str, example: &str, place: Range<usize>, file: &mut File) {
    let message = format!("`[{header}]` has no `{key}`");
    file.report(
        place,
        Fault::new(Code::MissingKey, message).hint(format!("add one: `{key} = {example}`")),
    );
}

/// Gives a type its JSON Schema, which is written out wherever the type is used.
macro_rules! inline_schema {
    ($type:ty, $generator:ident => $schema:expr) => {
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema($generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}
pub(crate) use inline_schema;

/// The name of a key: its field's, or the given one.
macro_rules! key_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}
pub(crate) use key_name;

/// Declares sections. Each field is a key; its doc comment is what people read of it anywhere.
macro_rules! sections {
    ($(
        $(#[$meta:meta])*
        pub struct $section:ident {
            $($(#[$field_meta:meta])* $field:ident $(= $name:literal)? : $type:ty,)+
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $section {
            $(
                $(#[$field_meta])*
                $(#[schemars(rename = $name)])?
                pub $field: Option<$crate::format::section::At<$type>>,
            )+
        }

        impl $crate::format::section::Section for $section {
            const KEYS: &'static [&'static str] =
                &[$($crate::format::section::key_name!($field $($name)?)),+];

            fn take(
                &mut self,
                name: &str,
                key: std::ops::Range<usize>,
                value: &$crate::parse::Value,
                file: &mut $crate::file::File,
            ) -> bool {
                $(
                    if name == $crate::format::section::key_name!($field $($name)?) {
                        $crate::format::section::take(&mut self.$field, name, key, value, file);
                        return true;
                    }
                )+
                false
            }
        }

        impl $crate::format::section::Read for $section {
            fn read(
                key: &str,
                value: &$crate::parse::Value,
                file: &mut $crate::file::File,
            ) -> Option<Self> {
                $crate::format::section::read(key, value, file)
            }

            fn fits(value: &toml::de::DeValue) -> bool {
                value.is_table()
            }

            fn over(self, base: Self) -> Self {
                Self {
                    $($field: $crate::format::section::over(self.$field, base.$field),)+
                }
            }
        }
    )+};
}
pub(crate) use sections;
