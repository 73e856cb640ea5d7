//! `hops diff`: what a release would change.

use iterapp_schema::Environment;
use serde_json::Value;

use crate::api::{Diff as Body, FieldDiff, ObjectChange, ObjectDiff};

use super::client::{Ask, FETCHING_ANSWER};
use super::failure::{Exit, Failure};
use super::release_view::short;
use super::style::{BAD, GOOD, STRONG, Style, UNDERWAY, paint};
use super::target::{AppArgument, environment};
use super::ui::Ui;
use super::{Context, harmless};

/// Show what a release would change on the live system, without changing anything
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Kubernetes is asked, by a dry run, what it would make of the objects that a release of the ref
wants; the answer is compared with what there is. One line for each field that would change.
What a Secret holds is never shown. A release of another commit builds new images, which is
said beside that; fields are compared as if image and HOPS_GIT_SHA stayed.

Exit codes, as `git diff --exit-code` has them: 0 nothing would change, 1 something would;
2 wrong usage, 3 the platform could not be reached, 4 there is no telling (mistakes in the
files, an unknown ref, a token that is not accepted).

Examples:
  hops diff -a hello -e prod                   the default branch, against what runs in prod
  hops diff -e test -r my-feature              the app is that of this folder
  hops diff -a hello -e prod --json | jq '.objects[].fields[].path'")]
pub struct Diff {
    #[command(flatten)]
    app: AppArgument,
    /// On which environment: prod, test, or snap0 to snap9
    #[arg(short = 'e', long, value_parser = environment)]
    environment: Environment,
    /// A branch, a tag or a commit; the default branch if it is not said
    #[arg(short = 'r', long = "ref", value_name = "REF")]
    reference: Option<String>,
}

impl Diff {
    /// Prints what would change.
    pub async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let diff = self.ask(context).await.map_err(no_telling)?;
        let ui = &mut context.ui;
        if ui.is_json() {
            ui.json(&diff)?;
        } else {
            print(ui, &diff)?;
        }
        if diff.objects.is_empty() && diff.builds.is_empty() {
            return Ok(());
        }
        Err(Failure::failed("changes", ""))
    }

    async fn ask(self, context: &mut Context) -> Result<Body, Failure> {
        let client = context.client()?;
        let app = self.app.choose(context, client.url())?;
        let environment = self.environment.to_string();
        let path = ["apps", app.as_ref(), "environments", &environment, "diff"];
        let query: Vec<_> = self
            .reference
            .into_iter()
            .map(|reference| ("ref", reference))
            .collect();
        let ask = Ask {
            path: &path,
            query: &query,
        };
        client.get_within(ask, FETCHING_ANSWER).await
    }
}

/// Exit code 1 is taken: something would change.
fn no_telling(failure: Failure) -> Failure {
    let exit = match failure.exit {
        Exit::Failed => Exit::NoTelling,
        other => other,
    };
    Failure { exit, ..failure }
}

fn print(ui: &mut Ui, diff: &Body) -> Result<(), Failure> {
    for object in &diff.objects {
        print_object(ui, object)?;
    }
    for build in &diff.builds {
        let from = build.serving.as_deref().map(short);
        let instead = from.map_or_else(String::new, |from| format!(" instead of {from}"));
        ui.note(format_args!(
            "{}: an image is to be built from {}{instead}",
            build.name,
            short(&diff.commit)
        ));
    }
    let Body {
        app,
        environment,
        reference,
        ..
    } = diff;
    let reference = harmless::text(reference);
    if diff.objects.is_empty() {
        let but = if diff.builds.is_empty() {
            ""
        } else {
            ", but for the images"
        };
        ui.note(format_args!(
            "{reference} would change nothing of {app} in {environment}{but}"
        ));
    }
    Ok(())
}

fn print_object(ui: &mut Ui, object: &ObjectDiff) -> Result<(), Failure> {
    let (mark, style): (_, Style) = match object.change {
        ObjectChange::Create => ("+", GOOD),
        ObjectChange::Update => ("~", UNDERWAY),
        ObjectChange::Delete => ("-", BAD),
        ObjectChange::Refused => ("!", BAD),
    };
    let name = format!("{} {}", object.kind, object.name);
    let head = format!(
        "{} {}",
        paint(style, mark),
        paint(STRONG, harmless::text(&name))
    );
    if let Some(reason) = &object.reason {
        return ui.line(format_args!("{head}: {}", harmless::text(reason)));
    }
    if object.fields.is_empty() {
        return ui.line(head);
    }
    for field in &object.fields {
        ui.line(format_args!("{head} {}", harmless::text(&line(field))))?;
    }
    Ok(())
}

fn line(field: &FieldDiff) -> String {
    let FieldDiff {
        path,
        before,
        after,
        masked,
    } = field;
    match masked {
        true => format!("{path}: changed (secret)"),
        false => format!("{path}: {} → {}", shown(before), shown(after)),
    }
}

fn shown(value: &Option<Value>) -> String {
    value
        .as_ref()
        .map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
