//! The commands that need no platform.

use std::path::Path;

use iterapp_schema::Code;
use serde_json::Value;

use super::{Said, Shell};

/// A shell without a platform, beside a repository of the app `shop` with these files.
fn beside(files: &[(&str, &str)]) -> Shell {
    let mut shell = Shell::at("");
    shell.set("HOPS_TOKEN", "");
    for (path, text) in files {
        write(&shell.folder.join("shop"), path, text);
    }
    shell
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn read(shell: &Shell, path: &str) -> String {
    std::fs::read_to_string(shell.folder.join("shop").join(path)).unwrap()
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

const MISTAKES: &[(&str, &str)] = &[
    ("Dockerfile", "FROM nginx\n"),
    ("iterapp.toml", "prot = 80\nreplicas = \"two\"\n"),
];

#[tokio::test]
async fn mistakes_are_told_to_everybody_in_their_form() {
    let mut shell = beside(MISTAKES);
    let said = shell.hops("check shop").await;
    assert_eq!((said.exit, said.err.as_str()), (1, ""));
    insta::assert_snapshot!("check_human", said.out);
    for format in ["github", "markdown"] {
        let said = shell.hops(&format!("check shop --format {format}")).await;
        assert_eq!((said.exit, said.err.as_str()), (1, ""), "{format}");
        insta::assert_snapshot!(format!("check_{format}"), said.out);
    }
    let told = shell.hops("check shop --json").await;
    let said = shell.hops("check shop --format json").await;
    assert_eq!((said.exit, &said.out), (1, &told.out));
    assert_eq!(json(&said)["diagnostics"][0]["line"], 1);
    let said = shell.hops("check shop --json --format github").await;
    assert_eq!(said.exit, 2, "{said:?}");
    shell.set(
        "GITHUB_WORKSPACE",
        &shell.folder.join("shop").display().to_string(),
    );
    let said = shell.hops("check shop --format github").await;
    assert!(
        said.out.starts_with("::error file=iterapp.toml,"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn what_is_certain_is_mended() {
    let shell = beside(&[
        (
            "iterapp.toml",
            "\u{feff}# æ\r\nauto_deploy_env = \"prod\"\r\napplings = [\"web\", \"gone\"]\r\n",
        ),
        ("web/Dockerfile", ""),
        (
            "web/iterapp.toml",
            "port = \"80\" # stays\nhealth = \"up\"\n",
        ),
    ]);
    let said = shell.hops("check shop --fix --json").await;
    assert_eq!(said.exit, 1);
    let report = json(&said);
    assert!(report["mended"].as_array().unwrap().len() > 1, "{report}");
    let codes: Vec<&Value> = report["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["code"])
        .collect();
    assert!(codes.contains(&&"E0102".into()), "{codes:?}");
    let root = read(&shell, "iterapp.toml");
    let line = "\u{feff}# æ\r\ndefault_environment = \"prod\"\r\n";
    assert!(root.starts_with(line), "{root:?}");
    let web = read(&shell, "web/iterapp.toml");
    assert_eq!(web, "port = 80 # stays\nreadiness_path = \"/up\"\n");
    let said = shell.hops("check shop --fix").await;
    assert_eq!((said.exit, said.err.as_str()), (1, ""));
    assert_eq!(read(&shell, "web/iterapp.toml"), web);
}

#[tokio::test]
async fn what_is_fine_is_no_comment() {
    let shell = beside(&[("Dockerfile", ""), ("iterapp.toml", "port = 80\n")]);
    let said = shell.hops("check shop --format markdown").await;
    assert_eq!((said.exit, said.out.as_str()), (0, ""));
    let said = shell.hops("check shop --format github").await;
    assert_eq!(said.exit, 0);
    assert!(said.out.starts_with("fine: shop: "), "{}", said.out);
}

#[tokio::test]
async fn every_code_is_explained() {
    let shell = beside(&[]);
    let list = shell.hops("explain").await;
    for code in Code::ALL {
        assert!(list.out.contains(code.as_str()), "{}", list.out);
        let said = shell.hops(&format!("explain {code}")).await;
        assert_eq!(said.exit, 0);
        let title = said.out.lines().next().unwrap();
        assert!(title.contains(&format!("[{code}]: ")), "{title}");
    }
    insta::assert_snapshot!("explain", shell.hops("explain e0204").await.out);
    let said = shell.hops("explain E0201 --json").await;
    assert!(json(&said)["text"].as_str().unwrap().starts_with("# "));
    assert_eq!(
        json(&shell.hops("explain --json").await)[0]["code"],
        Code::ALL[0].as_str()
    );
    let said = shell.hops("explain 0201").await;
    assert_eq!((said.exit, said.out.as_str()), (2, ""));
    assert!(said.err.contains("did you mean `E0201`?"), "{}", said.err);
}

#[tokio::test]
async fn a_first_file_for_a_dockerfile_in_the_root() {
    let shell = beside(&[
        ("Dockerfile", "FROM x\nEXPOSE 8080 9090\n"),
        ("docker/dev/Dockerfile", "FROM y\n"),
        (".devcontainer/Dockerfile", "FROM z\n"),
        ("node_modules/x/Dockerfile", "FROM z\n"),
    ]);
    let said = shell.hops("init shop").await;
    assert_eq!(said.exit, 0, "{said:?}");
    insta::assert_snapshot!(
        "init_root",
        format!("{}\n{}", said.out, read(&shell, "iterapp.toml"))
    );
    assert!(said.err.contains("hops apps create shop"), "{}", said.err);
    assert_eq!(shell.hops("check shop").await.exit, 0);
    let before = read(&shell, "iterapp.toml");
    let said = shell.hops("init shop").await;
    assert_eq!((said.exit, said.out.as_str()), (1, ""));
    assert!(said.err.contains("already"), "{}", said.err);
    assert_eq!(read(&shell, "iterapp.toml"), before);
}

#[tokio::test]
async fn first_files_for_dockerfiles_in_folders() {
    let shell = beside(&[
        (
            "services/API/Dockerfile",
            "FROM x\nENV PORT=4000\nEXPOSE $PORT\n",
        ),
        ("services/web/Dockerfile", "FROM x\n"),
        ("admin/web/Dockerfile", "FROM x\nEXPOSE 53/udp 80\n"),
        ("admin/web/iterapp.toml", "port = 81\n"),
    ]);
    let said = shell.hops("init shop --json").await;
    assert_eq!(said.exit, 0, "{said:?}");
    let report = json(&said);
    assert_eq!(report["kept"][0], "admin/web/iterapp.toml");
    let mut written = said.out.clone();
    for path in report["written"].as_array().unwrap() {
        let path = path.as_str().unwrap();
        written += &format!("\n== {path}\n{}", read(&shell, path));
    }
    insta::assert_snapshot!("init_folders", written);
    assert_eq!(read(&shell, "admin/web/iterapp.toml"), "port = 81\n");
    let said = shell.hops("check shop").await;
    assert_eq!(said.exit, 0, "{}", said.out);
}

#[tokio::test]
async fn without_a_dockerfile_nothing_is_written() {
    let shell = beside(&[("README.md", "")]);
    let said = shell.hops("init shop").await;
    assert_eq!((said.exit, said.out.as_str()), (1, ""));
    assert!(
        said.err.contains("hint: write a Dockerfile"),
        "{}",
        said.err
    );
    write(&shell.folder.join("shop"), "Containerfile", "FROM x\n");
    let said = shell.hops("init shop").await;
    assert!(said.err.contains("rename Containerfile"), "{}", said.err);
    assert!(!shell.folder.join("shop/iterapp.toml").exists());
    // A folder's file that was there and is wrong.
    let shell = beside(&[("web/Dockerfile", ""), ("web/iterapp.toml", "prot = 1\n")]);
    let said = shell.hops("init shop").await;
    assert_eq!(said.exit, 1);
    assert!(said.err.contains("there is no key `prot`"), "{}", said.err);
    assert!(!shell.folder.join("shop/iterapp.toml").exists());
}

#[tokio::test]
async fn a_plan_is_every_object_and_the_same_each_time() {
    let shell = beside(&[
        ("iterapp.toml", "applings = [\"web\", \"api\"]\n"),
        ("web/Dockerfile", ""),
        (
            "web/iterapp.toml",
            "port = 8080\ndomains = [\"shop.example.com\"]\n[env.prod]\nFLAG = \"yes\"\n",
        ),
        ("api/Dockerfile", ""),
        ("api/iterapp.toml", "replicas = 1\n"),
    ]);
    let said = shell.hops("plan shop -e prod").await;
    assert_eq!((said.exit, said.err.as_str()), (0, ""));
    insta::assert_snapshot!("plan", said.out);
    assert_eq!(shell.hops("plan shop -e prod").await.out, said.out);
    let list = json(&shell.hops("plan shop -e prod --format json").await);
    assert_eq!(list["kind"], "List");
    let kinds: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|object| object["kind"].as_str())
        .collect();
    assert_eq!(kinds[0], "Namespace");
    for kind in ["Service", "Deployment", "Ingress"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert_eq!(json(&shell.hops("plan shop -e prod --json").await), list);
}

#[tokio::test]
async fn a_plan_of_files_with_mistakes_says_them() {
    let shell = beside(MISTAKES);
    let said = shell.hops("plan shop -e test").await;
    assert_eq!((said.exit, said.out.as_str()), (1, ""));
    assert!(
        said.err.contains("iterapp.toml:1:1: error[E0201]"),
        "{}",
        said.err
    );
    assert!(said.err.contains("hint: hops check"), "{}", said.err);
    assert_eq!(shell.hops("plan shop").await.exit, 2);
    assert_eq!(shell.hops("plan shop -e staging").await.exit, 2);
}
