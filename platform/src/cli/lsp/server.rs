//! The conversation with an editor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gen_lsp_types as lsp;
use iterapp_schema::AppName;
use lsp::{Notification as _, Request as _};
use lsp_server::{Connection, ErrorCode, Message, Notification, ProtocolError, Request, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::assist;
use super::documents::{Document, Documents, path_of, root_of};
use super::problems::{Problems, uri_of};

/// Serves until the editor says goodbye or is gone.
pub fn serve(connection: &Connection, app: Option<AppName>) -> Result<(), ProtocolError> {
    let (id, parameters) = connection.initialize_start()?;
    let about = json!({
        "capabilities": capabilities(),
        "serverInfo": { "name": "hops", "version": env!("CARGO_PKG_VERSION") },
    });
    connection.initialize_finish(id, about)?;
    let mut server = Server {
        connection,
        folders: folders(parameters),
        app,
        documents: Documents::default(),
        told: BTreeMap::new(),
    };
    for message in &connection.receiver {
        match message {
            Message::Request(request) if connection.handle_shutdown(&request)? => return Ok(()),
            Message::Request(request) => server.answer(request),
            Message::Notification(notification) => server.note(notification),
            Message::Response(_) => {}
        }
    }
    Ok(())
}

fn capabilities() -> lsp::ServerCapabilities {
    lsp::ServerCapabilities {
        position_encoding: Some(lsp::PositionEncodingKind::UTF16),
        text_document_sync: Some(
            lsp::TextDocumentSyncOptions {
                open_close: Some(true),
                change: Some(lsp::TextDocumentSyncKind::Full),
                save: Some(true.into()),
                ..lsp::TextDocumentSyncOptions::default()
            }
            .into(),
        ),
        completion_provider: Some(lsp::CompletionOptions {
            trigger_characters: Some(["[", ".", "="].map(str::to_owned).into()),
            ..lsp::CompletionOptions::default()
        }),
        hover_provider: Some(true.into()),
        code_action_provider: Some(
            lsp::CodeActionOptions {
                code_action_kinds: Some(vec![lsp::CodeActionKind::QuickFix]),
                ..lsp::CodeActionOptions::default()
            }
            .into(),
        ),
        ..lsp::ServerCapabilities::default()
    }
}

/// The folders that the editor has open. Their form is none of a server's business to judge.
fn folders(parameters: Value) -> Vec<PathBuf> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Opened {
        workspace_folders: Option<Vec<lsp::WorkspaceFolder>>,
        root_uri: Option<lsp::Uri>,
    }
    let Ok(opened) = serde_json::from_value::<Opened>(parameters) else {
        return Vec::new();
    };
    let folders = opened.workspace_folders.into_iter().flatten();
    let uris = folders.map(|folder| folder.uri).chain(opened.root_uri);
    uris.filter_map(|uri| uri.to_file_path().ok()).collect()
}

struct Server<'c> {
    connection: &'c Connection,
    folders: Vec<PathBuf>,
    app: Option<AppName>,
    documents: Documents,
    /// The files of each repository that have problems in the editor.
    told: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl Server<'_> {
    fn answer(&mut self, request: Request) {
        let Request { id, method, params } = request;
        let answer = match lsp::LspRequestMethod::from(method.as_str()) {
            lsp::CompletionRequest::METHOD => self.completions(params),
            lsp::HoverRequest::METHOD => self.hover(params),
            lsp::CodeActionRequest::METHOD => self.mends(params),
            _ => {
                let message = format!("`{method}` is not offered");
                let code = ErrorCode::MethodNotFound as i32;
                return self.send(Response::new_err(id, code, message));
            }
        };
        self.send(match answer {
            Some(answer) => Response::new_ok(id, answer),
            None => {
                let message = format!("`{method}` was asked in a form that is not understood");
                Response::new_err(id, ErrorCode::InvalidParams as i32, message)
            }
        });
    }

    /// What could stand at a place; nothing in a document that is not open, or is none of ours.
    fn completions(&self, parameters: Value) -> Option<Value> {
        let asked = read::<lsp::CompletionParams>(parameters)?.text_document_position_params;
        let offered = self.open(&asked.text_document.uri).map(|(path, document)| {
            let is_root = assist::is_root(&path, &root_of(&path, &self.folders));
            assist::completions(document, is_root, asked.position)
        });
        Some(json!(offered.unwrap_or_default()))
    }

    fn hover(&self, parameters: Value) -> Option<Value> {
        let asked = read::<lsp::HoverParams>(parameters)?.text_document_position_params;
        let open = self.open(&asked.text_document.uri);
        Some(json!(open.and_then(|(_, document)| {
            assist::hover(document, asked.position)
        })))
    }

    fn mends(&self, parameters: Value) -> Option<Value> {
        let asked = read::<lsp::CodeActionParams>(parameters)?;
        let Some((path, _)) = self.open(&asked.text_document.uri) else {
            return Some(json!([]));
        };
        let root = root_of(&path, &self.folders);
        let assembled = self.documents.assembled(&root, self.app.as_ref());
        let problems = Problems {
            root: &root,
            documents: &self.documents,
            assembled: &assembled,
        };
        Some(json!(assist::mends(&problems, &path, asked.range)))
    }

    fn open(&self, uri: &lsp::Uri) -> Option<(PathBuf, &Document)> {
        let path = path_of(uri)?;
        let document = self.documents.get(&path)?;
        Some((path, document))
    }

    /// What cannot be read is passed over: there is nobody to tell.
    fn note(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        match lsp::LspNotificationMethod::from(method.as_str()) {
            lsp::DidOpenTextDocumentNotification::METHOD => self.opened(params),
            lsp::DidChangeTextDocumentNotification::METHOD => self.changed(params),
            lsp::DidCloseTextDocumentNotification::METHOD => self.closed(params),
            // Files have changed on the disk: a Dockerfile, say.
            lsp::DidSaveTextDocumentNotification::METHOD
            | lsp::DidChangeWatchedFilesNotification::METHOD => self.check_all(),
            _ => {}
        }
    }

    fn opened(&mut self, parameters: Value) {
        let Some(opened) = read::<lsp::DidOpenTextDocumentParams>(parameters) else {
            return;
        };
        let lsp::TextDocumentItem {
            uri, version, text, ..
        } = opened.text_document;
        self.keep(Document { uri, version, text });
    }

    fn changed(&mut self, parameters: Value) {
        let Some(changed) = read::<lsp::DidChangeTextDocumentParams>(parameters) else {
            return;
        };
        let lsp::VersionedTextDocumentIdentifier {
            version,
            text_document_identifier: document,
        } = changed.text_document;
        let uri = document.uri;
        // Whole texts were asked for, of which the last one counts.
        let text = match changed.content_changes.into_iter().next_back() {
            Some(lsp::TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(
                whole,
            )) => whole.text,
            _ => return,
        };
        self.keep(Document { uri, version, text });
    }

    fn keep(&mut self, document: Document) {
        if let Some(path) = self.documents.keep(document) {
            self.check(&root_of(&path, &self.folders));
        }
    }

    fn closed(&mut self, parameters: Value) {
        let closed = read::<lsp::DidCloseTextDocumentParams>(parameters);
        let path = closed.and_then(|closed| path_of(&closed.text_document.uri));
        if let Some(path) = path {
            self.documents.close(&path);
            self.check(&root_of(&path, &self.folders));
        }
    }

    fn check_all(&mut self) {
        let roots: BTreeSet<PathBuf> = self
            .documents
            .paths()
            .map(|path| root_of(path, &self.folders))
            .collect();
        roots.iter().for_each(|root| self.check(root));
    }

    /// Judges a repository, and tells what is wrong with each of its files. Of one in which nothing is
    /// open any more nothing is told.
    fn check(&mut self, root: &Path) {
        let open = |path: &Path| root_of(path, &self.folders) == root;
        let mut files = BTreeMap::new();
        if self.documents.paths().any(open) {
            let assembled = self.documents.assembled(root, self.app.as_ref());
            let problems = Problems {
                root,
                documents: &self.documents,
                assembled: &assembled,
            };
            files = problems.by_file();
        }
        let told = self.told.remove(root).unwrap_or_default();
        for path in told {
            files.entry(path).or_default();
        }
        let wrong =
            |(path, problems): (&PathBuf, &Vec<_>)| (!problems.is_empty()).then(|| path.clone());
        let wrong = files.iter().filter_map(wrong).collect();
        self.told.insert(root.to_owned(), wrong);
        for (path, diagnostics) in files {
            self.publish(&path, diagnostics);
        }
    }

    fn publish(&self, path: &Path, diagnostics: Vec<lsp::Diagnostic>) {
        let Some(uri) = uri_of(&self.documents, path) else {
            return;
        };
        let version = self.documents.get(path).map(|document| document.version);
        let parameters = lsp::PublishDiagnosticsParams {
            uri,
            version,
            diagnostics,
        };
        let method = lsp::PublishDiagnosticsNotification::METHOD.to_string();
        self.send(Notification::new(method, parameters));
    }

    /// An editor that is gone does not listen, and its silence ends the conversation.
    fn send(&self, message: impl Into<Message>) {
        let _ = self.connection.sender.send(message.into());
    }
}

fn read<P: DeserializeOwned>(parameters: Value) -> Option<P> {
    serde_json::from_value(parameters).ok()
}
