//! The language server, by its protocol: the program itself, spoken to over its stdin and stdout.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; clippy allows it in the tests alone"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use iterapp_schema::{AppName, Diagnostic, Severity, assemble, reference};
use lsp_server::{Message, Notification, Request, Response};
use serde_json::{Value, json};

/// Longer than anything takes; a server that says nothing fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

/// An editor with a server and a repository of the app `shop`.
struct Editor {
    child: Child,
    stdin: Option<ChildStdin>,
    messages: Receiver<Message>,
    folder: tempfile::TempDir,
    asked: i32,
}

impl Editor {
    /// An editor that has opened a folder with these files.
    fn on(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            write(&folder.path().join("shop"), path, text);
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_hops"))
            .arg("lsp")
            .env_remove("HOPS_APP")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            while let Ok(Some(message)) = Message::read(&mut stdout) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        let mut editor = Self {
            child,
            stdin,
            messages,
            folder,
            asked: 0,
        };
        let root = editor.uri("");
        let answer = editor.ask(
            "initialize",
            json!({
                "processId": null, "rootUri": root, "capabilities": {},
                "workspaceFolders": [{ "uri": root, "name": "shop" }],
            }),
        );
        assert_eq!(answer["capabilities"]["positionEncoding"], "utf-16");
        editor.tell("initialized", json!({}));
        editor
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("shop")
    }

    fn uri(&self, path: &str) -> String {
        let path = self.root().join(path);
        url::Url::from_file_path(path).unwrap().to_string()
    }

    fn send(&mut self, message: impl Into<Message>) {
        let stdin = self.stdin.as_mut().unwrap();
        message.into().write(stdin).unwrap();
    }

    fn tell(&mut self, method: &str, parameters: Value) {
        self.send(Notification::new(method.to_owned(), parameters));
    }

    fn next(&self) -> Message {
        self.messages.recv_timeout(PATIENCE).expect("a message")
    }

    fn response(&mut self, method: &str, parameters: Value) -> Response {
        self.asked += 1;
        let id = self.asked.into();
        self.send(Request::new(
            self.asked.into(),
            method.to_owned(),
            parameters,
        ));
        loop {
            match self.next() {
                Message::Response(response) if response.id == id => return response,
                Message::Notification(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        let response = self.response(method, parameters);
        response.response_result.unwrap()
    }

    fn open(&mut self, path: &str, text: &str) {
        let uri = self.uri(path);
        self.tell(
            "textDocument/didOpen",
            json!({ "textDocument": { "uri": uri, "languageId": "toml", "version": 0, "text": text } }),
        );
    }

    fn change(&mut self, path: &str, version: i32, text: &str) {
        let uri = self.uri(path);
        self.tell(
            "textDocument/didChange",
            json!({
                "textDocument": { "uri": uri, "version": version },
                "contentChanges": [{ "text": text }],
            }),
        );
    }

    fn close(&mut self, path: &str) {
        let uri = self.uri(path);
        self.tell(
            "textDocument/didClose",
            json!({ "textDocument": { "uri": uri } }),
        );
    }

    /// What is told next of a file, other files' news passed over.
    fn told(&self, path: &str) -> Value {
        let uri = self.uri(path);
        loop {
            match self.next() {
                Message::Notification(told) if told.params["uri"] == uri.as_str() => {
                    assert_eq!(told.method, "textDocument/publishDiagnostics");
                    return told.params;
                }
                Message::Notification(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The codes of what is told next of a file.
    fn codes(&self, path: &str) -> Vec<String> {
        let told = self.told(path);
        let diagnostics = told["diagnostics"].as_array().unwrap().iter();
        diagnostics
            .map(|problem| problem["code"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until these codes are told of a file.
    fn until(&self, path: &str, codes: &[&str]) {
        while self.codes(path) != codes {}
    }

    /// Says goodbye; the server ends with this exit code.
    fn goodbye(mut self) -> Option<i32> {
        self.ask("shutdown", Value::Null);
        self.tell("exit", Value::Null);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // It has ended already, unless the test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// What the server is to say of a file of these.
fn expected(files: &BTreeMap<String, Vec<u8>>, path: &str) -> Vec<Value> {
    let assembled = assemble(&AppName::parse("shop").unwrap(), files);
    let text = assembled.sources.get(path).unwrap_or_default().to_owned();
    let diagnostics = assembled.diagnostics.iter();
    diagnostics
        .filter(|problem| problem.file == path)
        .map(|problem| in_protocol(problem, &text))
        .collect()
}

fn in_protocol(problem: &Diagnostic, text: &str) -> Value {
    let span = problem.span.clone().unwrap_or(0..0);
    let hint = problem.hint.as_ref();
    let hint = hint.map_or_else(String::new, |hint| format!("\nhint: {hint}"));
    json!({
        "range": { "start": place(text, span.start), "end": place(text, span.end) },
        "severity": match problem.severity {
            Severity::Error => 1,
            Severity::Warning => 2,
            Severity::Note => 3,
        },
        "code": problem.code.as_str(),
        "source": "hops",
        "message": format!("{}{hint}", problem.message),
    })
}

/// Line and UTF-16 column, counted the simplest way.
fn place(text: &str, offset: usize) -> Value {
    let (mut line, mut character) = (0, 0);
    for c in text[..offset].chars() {
        match c {
            '\n' => (line, character) = (line + 1, 0),
            c => character += c.len_utf16(),
        }
    }
    json!({ "line": line, "character": character })
}

/// The problems without what points elsewhere.
fn told_alone(told: &Value) -> Vec<Value> {
    let mut diagnostics = told["diagnostics"].as_array().unwrap().clone();
    for problem in &mut diagnostics {
        problem
            .as_object_mut()
            .unwrap()
            .remove("relatedInformation");
    }
    diagnostics
}

/// A file as somebody types it, with slips and with characters of every width.
const TYPED: &str = "\
# Blåbær 🧪 og æbler
port = \"80\" # 🧪
prot = 8080
domains = [\"shop.example.com\", \"🧪.no\", \"SHOP.example.com\"]
replicas = 200

[env.prod]
GREETING = \"hei 🧑‍🔬\"
1A = 1
HOPS_ENV = \"x\"
port = 1
";

#[test]
fn after_each_keystroke_the_editor_knows_what_check_says() {
    let mut editor = Editor::on(&[("Dockerfile", "FROM x\n"), ("iterapp.toml", "")]);
    editor.open("iterapp.toml", "");
    assert_eq!(editor.told("iterapp.toml")["version"], 0);
    let mut files = BTreeMap::from([("Dockerfile".to_owned(), Vec::new())]);
    let ends = TYPED.char_indices().map(|(at, c)| at + c.len_utf8());
    for (version, end) in (1..).zip(ends) {
        let text = &TYPED[..end];
        editor.change("iterapp.toml", version, text);
        let told = editor.told("iterapp.toml");
        assert_eq!(told["version"], version);
        files.insert("iterapp.toml".to_owned(), text.as_bytes().to_vec());
        assert_eq!(
            told_alone(&told),
            expected(&files, "iterapp.toml"),
            "{text}"
        );
    }
    assert!(
        expected(&files, "iterapp.toml").len() > 6,
        "the slips are found"
    );
    // And the command itself says the same, once the file is saved.
    write(&editor.root(), "iterapp.toml", TYPED);
    let check = Command::new(env!("CARGO_BIN_EXE_hops"))
        .args(["check", "--json"])
        .arg(editor.root())
        .output()
        .unwrap();
    let check: Value = serde_json::from_slice(&check.stdout).unwrap();
    let checked = check["diagnostics"].as_array().unwrap().iter();
    let checked: Vec<&Value> = checked.map(|problem| &problem["code"]).collect();
    let typed = expected(&files, "iterapp.toml");
    let typed: Vec<&Value> = typed.iter().map(|problem| &problem["code"]).collect();
    assert_eq!(checked, typed);
    assert_eq!(editor.goodbye(), Some(0));
}

#[test]
fn open_files_of_a_repository_are_judged_together() {
    let mut editor = Editor::on(&[
        ("iterapp.toml", "applings = [\"web\", \"api\"]\n"),
        ("web/Dockerfile", ""),
        ("web/iterapp.toml", "domains = [\"a.no\"]\n"),
        ("api/Dockerfile", ""),
        ("api/iterapp.toml", "domains = [\"b.no\"]\n"),
    ]);
    editor.open("api/iterapp.toml", "domains = [\"b.no\"]\n");
    assert!(editor.codes("api/iterapp.toml").is_empty());
    // The other appling's file is not open: it counts as it is on the disk.
    editor.change("api/iterapp.toml", 1, "domains = [\"a.no\"]\n");
    let told = editor.told("api/iterapp.toml");
    assert_eq!(told["diagnostics"][0]["code"], "E0503");
    let related = &told["diagnostics"][0]["relatedInformation"][0];
    assert_eq!(
        related["location"]["uri"],
        editor.uri("web/iterapp.toml").as_str()
    );
    assert_eq!(related["location"]["range"]["start"]["character"], 11);
    // Open and not saved, it counts as it is in the editor.
    editor.open("web/iterapp.toml", "domains = []\n");
    assert!(editor.codes("api/iterapp.toml").is_empty());
    editor.close("web/iterapp.toml");
    assert_eq!(editor.codes("api/iterapp.toml"), ["E0503"]);
    // A mistake in the root's file is told there, though it is not open.
    write(
        &editor.root(),
        "iterapp.toml",
        "applings = [\"api\", \"gone\"]\n",
    );
    editor.change("api/iterapp.toml", 2, "");
    editor.until("iterapp.toml", &["E0102"]);
    // With the last document closed nothing is told of the repository any more.
    editor.close("api/iterapp.toml");
    editor.until("iterapp.toml", &[]);
    assert_eq!(editor.goodbye(), Some(0));
}

#[test]
fn files_that_appear_on_the_disk_are_seen() {
    let mut editor = Editor::on(&[("iterapp.toml", "")]);
    editor.open("iterapp.toml", "");
    assert_eq!(editor.codes("iterapp.toml"), ["E0107"]);
    write(&editor.root(), "Dockerfile", "");
    let changed = json!({ "uri": editor.uri("Dockerfile"), "type": 1 });
    editor.tell(
        "workspace/didChangeWatchedFiles",
        json!({ "changes": [changed] }),
    );
    assert!(editor.codes("iterapp.toml").is_empty());
    assert_eq!(editor.goodbye(), Some(0));
}

#[test]
fn the_repository_is_gits_and_other_files_are_left_alone() {
    let mut editor = Editor::on(&[
        ("apps/inner/.git/HEAD", ""),
        ("apps/inner/Dockerfile", ""),
        ("apps/inner/iterapp.toml", ""),
    ]);
    editor.open("Cargo.toml", "prot = 1\n");
    editor.open("apps/inner/iterapp.toml", "prot = 1\n");
    match editor.next() {
        Message::Notification(told) => {
            assert_eq!(
                told.params["uri"],
                editor.uri("apps/inner/iterapp.toml").as_str()
            );
            assert_eq!(told.params["diagnostics"][0]["code"], "E0201");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(editor.goodbye(), Some(0));
}

#[test]
fn a_byte_order_mark_moves_nothing() {
    let mut editor = Editor::on(&[("Dockerfile", "")]);
    editor.open("iterapp.toml", "\u{feff}prot = 1\r\n\r\nrost = 2\r\n");
    let told = editor.told("iterapp.toml");
    let start = |n: usize| &told["diagnostics"][n]["range"]["start"];
    assert_eq!(*start(0), json!({ "line": 0, "character": 1 }));
    assert_eq!(*start(1), json!({ "line": 2, "character": 0 }));
    assert_eq!(editor.goodbye(), Some(0));
}

#[test]
fn nonsense_is_answered_and_survived() {
    let mut editor = Editor::on(&[("Dockerfile", "")]);
    let answer = editor.response("textDocument/dance", json!({}));
    let error = answer.response_result.unwrap_err();
    assert_eq!(error.code, lsp_server::ErrorCode::MethodNotFound as i32);
    for nonsense in [
        json!(1),
        json!({}),
        json!({ "textDocument": { "uri": "" } }),
    ] {
        for method in ["didOpen", "didChange", "didClose", "didSave"] {
            editor.tell(&format!("textDocument/{method}"), nonsense.clone());
        }
    }
    let untitled = json!({ "uri": "untitled:1", "languageId": "toml", "version": 0, "text": "x" });
    editor.tell("textDocument/didOpen", json!({ "textDocument": untitled }));
    editor.open("iterapp.toml", "prot = 1\n");
    assert_eq!(editor.codes("iterapp.toml"), ["E0201"]);
    assert_eq!(editor.goodbye(), Some(0));
}

#[test]
fn an_editor_that_is_gone_ends_the_server() {
    let mut editor = Editor::on(&[("Dockerfile", "")]);
    drop(editor.stdin.take());
    assert_eq!(editor.child.wait().unwrap().code(), Some(0));
}

impl Editor {
    /// What is asked at the place of `|` in a text, which is opened without it.
    fn ask_at(&mut self, method: &str, path: &str, marked: &str) -> Value {
        let at = marked.find('|').unwrap();
        let text = marked.replacen('|', "", 1);
        self.open(path, &text);
        let uri = self.uri(path);
        let place = place(&text, at);
        self.ask(
            method,
            json!({ "textDocument": { "uri": uri }, "position": place }),
        )
    }

    /// The labels of what is offered there, sorted.
    fn offered(&mut self, path: &str, marked: &str) -> Vec<String> {
        let offered = self.ask_at("textDocument/completion", path, marked);
        let offered = offered.as_array().unwrap().iter();
        let mut labels: Vec<String> = offered
            .map(|item| item["label"].as_str().unwrap().to_owned())
            .collect();
        labels.sort();
        labels
    }
}

/// Said of a key that cannot stand where it stands, or stands there already.
const MISPLACED: [&str; 11] = [
    "E0105", "E0106", "E0201", "E0202", "E0203", "E0204", "E0206", "E0701", "E0702", "E0705",
    "N0202",
];

/// The keys that can be written at the place of `|`: each one of the format, but for older spellings, is
/// written there, and judged.
fn legal(files: &[(&str, &str)], path: &str, marked: &str) -> Vec<String> {
    let keys = reference::sections()
        .iter()
        .flat_map(|section| &section.keys)
        .filter(|key| !key.is_older);
    // With a value that is read, so that what it means beside the other keys is judged too.
    let value = |key: &reference::Key| match (key.is_section, key.name.as_str()) {
        (true, _) => "{}",
        (_, "path" | "command" | "release_command" | "readiness_path" | "liveness_path") => "'/a'",
        (_, "domains") => "['a.example.com']",
        (_, "worker" | "from_to_www_redirect" | "disable") => "false",
        _ => "1",
    };
    let mut names: BTreeMap<String, &str> =
        keys.map(|key| (key.name.clone(), value(key))).collect();
    names.insert("zebra".to_owned(), "1");
    let misplaced = |statement: &str| -> BTreeSet<String> {
        let mut repository: BTreeMap<String, Vec<u8>> = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect();
        let text = marked.replacen('|', statement, 1);
        repository.insert(path.to_owned(), text.into_bytes());
        let assembled = assemble(&AppName::parse("shop").unwrap(), &repository);
        let problems = assembled.diagnostics.into_iter();
        problems
            .filter(|problem| MISPLACED.contains(&problem.code.as_str()))
            .map(|problem| problem.message)
            .collect()
    };
    let before = misplaced("");
    let fits = |name: &String, value: &mut &str| {
        misplaced(&format!("{name} = {value}")).is_subset(&before)
    };
    names.retain(fits);
    names.into_keys().collect()
}

#[test]
fn completion_offers_exactly_the_keys_legal_there() {
    let files = [
        ("Dockerfile", ""),
        ("iterapp.toml", "applings = [\"web\"]\n"),
        ("web/Dockerfile", ""),
    ];
    let mut editor = Editor::on(&files);
    for (path, marked) in [
        ("iterapp.toml", "|"),
        ("iterapp.toml", "port = 80\n|\n[requests]\ncpu = 1\n"),
        ("iterapp.toml", "applings = [\"web\"]\n|\n"),
        ("iterapp.toml", "applings = [\".\", \"web\"]\n|\n"),
        ("web/iterapp.toml", "|"),
        ("web/iterapp.toml", "[requests]\n|"),
        ("web/iterapp.toml", "[requests]\ncpu = 1\n|\n[limits]\n"),
        ("web/iterapp.toml", "[autoscale]\nmax = 3\n|\n"),
        ("web/iterapp.toml", "[build]\n|\n"),
        ("web/iterapp.toml", "[ingress]\n|\n"),
        ("web/iterapp.toml", "[postgres]\n|\n"),
        (
            "web/iterapp.toml",
            "[cronjobs.tidy]\nschedule = \"@daily\"\n|\n",
        ),
        ("web/iterapp.toml", "[override.prod]\nreplicas = 4\n|\n"),
        ("web/iterapp.toml", "[override.prod.limits]\n|\n"),
        ("web/iterapp.toml", "worker = true\n|\n"),
        (
            "web/iterapp.toml",
            "# applings = [\"a\"]\n|\n[autoscale]\nmax = 3\n",
        ),
        ("web/iterapp.toml", "[cronjobs.\"a-b\"]\npath = \"/a\"\n|\n"),
    ] {
        let offered = editor.offered(path, marked);
        assert_eq!(offered, legal(&files, path, marked), "{path}: {marked}");
        assert!(!offered.is_empty(), "{path}: {marked}");
    }
    for marked in [
        "applings = [\n  |\n]\n",
        "name = \"\"\"\n|\n\"\"\"\n",
        "# |\n",
    ] {
        assert_eq!(editor.offered("iterapp.toml", marked), [""; 0], "{marked}");
    }
    // Anybody's switches can stand here, and the platform's are offered.
    let switches = editor.offered("web/iterapp.toml", "[experimental]\n|\n");
    assert_eq!(switches, ["isolate-allow-apps", "isolate-appling"]);
    assert_eq!(editor.goodbye(), Some(0));
}

#[test]
fn completion_offers_values_and_replaces_the_word_that_was_begun() {
    let mut editor = Editor::on(&[("Dockerfile", "")]);
    assert_eq!(
        editor.offered("iterapp.toml", "worker = |\n"),
        ["false", "true"]
    );
    let marked = "emoji = \"🧪\"\ndefault_environment = \"pr|\"\n";
    let offered = editor.ask_at("textDocument/completion", "iterapp.toml", marked);
    let prod = offered
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["label"] == "\"prod\"")
        .expect("prod is offered");
    assert_eq!(prod["textEdit"]["newText"], "\"prod\"");
    let range = json!({
        "start": { "line": 1, "character": 22 }, "end": { "line": 1, "character": 26 },
    });
    assert_eq!(prod["textEdit"]["range"], range);
    assert!(editor.offered("iterapp.toml", "# a comment |\n").is_empty());
    assert_eq!(editor.goodbye(), Some(0));
}

#[test]
fn hover_tells_what_a_key_means() {
    let mut editor = Editor::on(&[("Dockerfile", "")]);
    let told = editor.ask_at("textDocument/hover", "iterapp.toml", "\u{feff}po|rt = 80\n");
    assert_eq!(told["contents"]["kind"], "markdown");
    let told = told["contents"]["value"].as_str().unwrap().to_owned();
    assert!(told.contains("3000"), "{told}");
    let told = editor.ask_at("textDocument/hover", "iterapp.toml", "ze|bra = 80\n");
    assert_eq!(told, Value::Null);
    assert_eq!(editor.goodbye(), Some(0));
}

#[test]
fn a_certain_mend_is_offered_where_the_mistake_is() {
    let mut editor = Editor::on(&[("Dockerfile", "")]);
    let text = "emoji = \"🧪\" # 🧪\nhealth = \"/up\"\n";
    editor.open("iterapp.toml", text);
    assert_eq!(editor.codes("iterapp.toml"), ["N0201"]);
    let uri = editor.uri("iterapp.toml");
    let mut asked = |line: u32| {
        let place = json!({ "line": line, "character": 1 });
        editor.ask(
            "textDocument/codeAction",
            json!({
                "textDocument": { "uri": uri }, "context": { "diagnostics": [] },
                "range": { "start": place, "end": place },
            }),
        )
    };
    assert_eq!(asked(0), json!([]));
    let offered = asked(1);
    assert_eq!(offered[0]["kind"], "quickfix");
    assert_eq!(offered[0]["diagnostics"][0]["code"], "N0201");
    let edits = offered[0]["edit"]["changes"][&uri]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(edits.len(), 1);
    assert_eq!(edits[0]["newText"], "readiness_path");
    let range = json!({
        "start": { "line": 1, "character": 0 }, "end": { "line": 1, "character": 6 },
    });
    assert_eq!(edits[0]["range"], range);
    assert_eq!(editor.goodbye(), Some(0));
}
