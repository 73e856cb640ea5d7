//! Migrations are compiled into the program, and Cargo does not see a new one by itself.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
