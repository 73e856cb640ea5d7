use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::cli::failure::Exit;

/// A home folder with a configuration file of this content and mode, and some variables.
struct Home {
    folder: tempfile::TempDir,
    vars: HashMap<String, String>,
}

impl Home {
    fn new(file: Option<(&str, u32)>, vars: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some((text, mode)) = file {
            let path = folder.path().join(".config/hops/config.toml");
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        }
        let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let mut vars: HashMap<_, _> = vars.iter().map(own).collect();
        vars.insert(
            "HOME".to_owned(),
            folder.path().to_str().unwrap().to_owned(),
        );
        Self { folder, vars }
    }

    fn connection(&self) -> Result<Connection, Failure> {
        let vars = self.vars.clone();
        connection(&move |name: &str| vars.get(name).cloned())
    }

    /// The address and the token, to compare.
    fn found(&self) -> (String, String) {
        let connection = self.connection().unwrap();
        let token = connection.token.expose_secret().to_owned();
        (connection.url.to_string(), token)
    }
}

const FILE: &str = "url = \"https://hops.example.com/\"\ntoken = \"from-file\"\n";

fn pair(url: &str, token: &str) -> (String, String) {
    (url.to_owned(), token.to_owned())
}

#[test]
fn the_environment_comes_before_the_file() {
    let file = Some((FILE, 0o600));
    let home = Home::new(file, &[]);
    assert_eq!(home.found(), pair("https://hops.example.com/", "from-file"));
    let home = Home::new(file, &[("HOPS_TOKEN", "from-env")]);
    assert_eq!(home.found(), pair("https://hops.example.com/", "from-env"));
    let home = Home::new(
        file,
        &[("HOPS_URL", "http://other"), ("HOPS_TOKEN", "from-env")],
    );
    assert_eq!(home.found(), pair("http://other/", "from-env"));
    let home = Home::new(file, &[("HOPS_URL", ""), ("HOPS_TOKEN", "")]);
    assert_eq!(home.found(), pair("https://hops.example.com/", "from-file"));
}

#[test]
fn the_files_token_goes_to_the_files_address_alone() {
    let file = Some((FILE, 0o600));
    let home = Home::new(file, &[("HOPS_URL", "https://elsewhere.example.com")]);
    let failure = home.connection().unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.message.contains("no token"), "{failure:?}");
    let home = Home::new(file, &[("HOPS_URL", "https://hops.example.com")]);
    assert_eq!(home.found(), pair("https://hops.example.com/", "from-file"));
}

#[test]
fn a_token_that_others_can_read_is_refused() {
    for mode in [0o640, 0o604, 0o644, 0o660] {
        let failure = Home::new(Some((FILE, mode)), &[]).connection().unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.hint.unwrap().starts_with("chmod 600 /"));
    }
    let no_token = "url = \"http://hops\"";
    let home = Home::new(Some((no_token, 0o644)), &[("HOPS_TOKEN", "t")]);
    assert_eq!(home.found(), pair("http://hops/", "t"));
}

#[test]
fn a_file_that_is_not_understood_is_not_quoted() {
    let text = "url = \"http://hops\"\ntoken = geheim\n";
    let failure = Home::new(Some((text, 0o600)), &[])
        .connection()
        .unwrap_err();
    assert!(failure.message.ends_with("near line 2"), "{failure:?}");
    assert!(!format!("{failure:?}").contains("geheim"));
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let failure = Home::new(None, &[]).connection().unwrap_err();
    assert!(failure.hint.unwrap().contains("hops login"));
    let failure = Home::new(None, &[("HOPS_URL", "http://h/")])
        .connection()
        .unwrap_err();
    assert_eq!(
        failure.hint.unwrap(),
        "hops login http://h\nor set HOPS_TOKEN"
    );
}

#[test]
fn addresses() {
    assert_eq!(
        parse_url("http://h:1/base/").unwrap().as_str(),
        "http://h:1/base"
    );
    for text in [
        "localhost:8080",
        "h",
        "ftp://h",
        "https://u:p@h",
        "https://t@h",
        "",
    ] {
        assert!(parse_url(text).is_err(), "{text}");
    }
}

#[test]
fn what_login_writes_is_read_again_and_is_the_owners_alone() {
    let home = Home::new(None, &[]);
    let path = home.folder.path().join(".config/hops/config.toml");
    let url = parse_url("http://127.0.0.1:8080").unwrap();
    save(&path, &url, &SecretString::from("a\"b")).unwrap();
    assert_eq!(home.found(), pair("http://127.0.0.1:8080/", "a\"b"));
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn tokens_are_not_shown_by_debug() {
    let home = Home::new(None, &[("HOPS_URL", "http://h"), ("HOPS_TOKEN", "geheim")]);
    assert!(!format!("{:?}", home.connection().unwrap()).contains("geheim"));
}
