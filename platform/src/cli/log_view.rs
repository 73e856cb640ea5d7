//! Log lines as people read them.

use crate::api::LogLine;

use super::harmless;
use super::style::{ADVICE, FAINT, STRONG, paint};

/// One line: the platform's own steps stand out, others say where they come from. A text of several
/// lines stays so.
pub fn shown(line: &LogLine, timestamps: bool) -> String {
    let at = match timestamps {
        true => format!("{} ", paint(FAINT, line.at.strftime("%Y-%m-%dT%H:%M:%SZ"))),
        false => String::new(),
    };
    let texts = line.text.trim_end_matches(['\r', '\n']).split('\n');
    let shown: Vec<String> = texts
        .map(|text| at.clone() + &one(line, &harmless::log_line(text)))
        .collect();
    shown.join("\n")
}

fn one(line: &LogLine, text: &str) -> String {
    if line.source == "release" {
        // What is set in explains the step before it, and so do the numbered lines of a file.
        return match text.starts_with([' ', '\t']) || is_of_a_file(text) {
            true => text.to_owned(),
            false => paint(STRONG, format!("==> {text}")).to_string(),
        };
    }
    let appling = line.appling.as_ref().map(ToString::to_string);
    match line.pod.as_deref().or(appling.as_deref()) {
        Some(origin) => {
            let origin = format!("{} |", harmless::text(origin));
            format!("{} {text}", paint(ADVICE, origin))
        }
        None => text.to_owned(),
    }
}

/// `12 | text`, as mistakes show lines of a file.
fn is_of_a_file(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < text.len() && rest.trim_start().starts_with('|')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(source: &str, appling: Option<&str>, pod: Option<&str>, text: &str) -> LogLine {
        LogLine {
            at: "2026-11-21T14:00:00.123Z".parse().unwrap(),
            appling: appling.map(|name| name.parse().unwrap()),
            source: source.to_owned(),
            pod: pod.map(str::to_owned),
            text: text.to_owned(),
        }
    }

    fn plain(line: &LogLine, timestamps: bool) -> String {
        anstream::adapter::strip_str(&shown(line, timestamps)).to_string()
    }

    #[test]
    fn each_source_has_its_form() {
        let step = line("release", None, None, "reads iterapp.toml");
        assert_eq!(plain(&step, false), "==> reads iterapp.toml");
        let step = line(
            "release",
            Some("api"),
            None,
            "[api] failed: it exits\n    boom\n",
        );
        assert_eq!(plain(&step, false), "==> [api] failed: it exits\n    boom");
        let build = line("build", Some("api"), None, "#5 RUN make");
        assert_eq!(plain(&build, false), "api | #5 RUN make");
        let pod = line("pod", Some("api"), Some("api-5f-x"), "GET /");
        assert_eq!(plain(&pod, true), "2026-11-21T14:00:00Z api-5f-x | GET /");
    }

    #[test]
    fn lines_of_a_file_are_no_steps() {
        let of_file = line("release", None, None, "14 | KEY = 1");
        assert_eq!(plain(&of_file, false), "14 | KEY = 1");
        let step = line("release", None, None, "2 applings");
        assert_eq!(plain(&step, false), "==> 2 applings");
    }

    #[test]
    fn what_a_build_says_cannot_reach_the_terminal_raw() {
        let hostile = line(
            "build",
            Some("api"),
            Some("p\u{1b}]0;x\u{7}"),
            "\u{1b}]52;c;eA==\u{7}\u{1b}[31mred",
        );
        let shown = shown(&hostile, false);
        assert!(
            !shown.contains("\u{1b}]") && !shown.contains('\u{7}'),
            "{shown:?}"
        );
        assert!(shown.ends_with("\u{1b}[31mred\u{1b}[0m"), "{shown:?}");
    }
}
