//! Writes what is made from the types: the JSON Schema and the reference page.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::write(
        root.join("iterapp.schema.json"),
        iterapp_schema::json_schema_text(),
    )?;
    std::fs::write(
        root.join("../docs/iterapp.md"),
        iterapp_schema::reference::markdown(),
    )
}
