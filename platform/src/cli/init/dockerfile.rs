//! What a Dockerfile says about ports.

use std::collections::BTreeMap;

use serde::Serialize;

/// The TCP ports that an image's last stage exposes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exposed {
    /// The first of them.
    pub port: Option<u16>,
    /// The others.
    pub others: Vec<u16>,
}

/// Reads the `EXPOSE` instructions of the last stage. `$PORT` is looked up in that stage's `ENV` and
/// in `ARG`s with a default; what stays unknown, and UDP, is left out.
pub fn exposed(dockerfile: &str) -> Exposed {
    let mut variables = BTreeMap::new();
    let mut ports: Vec<u16> = Vec::new();
    for line in logical_lines(dockerfile) {
        let (instruction, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        match instruction.to_ascii_uppercase().as_str() {
            "FROM" => ports.clear(),
            "ARG" => variables.extend(assignments(rest)),
            "ENV" => variables.extend(environment(rest)),
            "EXPOSE" => ports.extend(
                rest.split_whitespace()
                    .filter_map(|word| port(word, &variables)),
            ),
            _ => {}
        }
    }
    let mut ports = ports.into_iter();
    let port = ports.next();
    let mut others: Vec<u16> = ports.filter(|other| Some(*other) != port).collect();
    others.dedup();
    Exposed { port, others }
}

/// Lines without comments, those that end in `\` joined with the next.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
    {
        match line.strip_suffix('\\') {
            Some(part) => open = open + part + " ",
            None => lines.push(std::mem::take(&mut open) + line),
        }
    }
    lines.push(open);
    lines
}

fn assignments(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let pair = |word: &str| {
        let (name, value) = word.split_once('=')?;
        Some((name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
    };
    text.split_whitespace().filter_map(pair)
}

/// `ENV NAME=value …`, or `ENV NAME value`.
fn environment(text: &str) -> Vec<(String, String)> {
    match text.split_once(char::is_whitespace) {
        Some((name, value)) if !name.contains('=') => {
            vec![(name.to_owned(), value.trim().to_owned())]
        }
        _ => assignments(text).collect(),
    }
}

/// `8080`, `8080/tcp`, `$PORT` or `${PORT:-8080}`.
fn port(word: &str, variables: &BTreeMap<String, String>) -> Option<u16> {
    let word = word.trim_matches(['"', '\'']);
    let (number, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    if !protocol.eq_ignore_ascii_case("tcp") {
        return None;
    }
    let number = match number.strip_prefix('$') {
        Some(name) => {
            let name = name.trim_start_matches('{').trim_end_matches('}');
            let (name, default) = name.split_once(":-").unwrap_or((name, ""));
            variables.get(name).map_or(default, String::as_str)
        }
        None => number,
    };
    number.parse().ok().filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_of_the_last_stage() {
        let table: [(&str, &[u16]); 11] = [
            ("FROM x\nEXPOSE 8080\n", &[8080]),
            ("FROM x\nexpose 80/tcp 443 80", &[80, 443]),
            ("FROM a AS b\nEXPOSE 1\nFROM c\nEXPOSE 2", &[2]),
            ("FROM x\nENV PORT=5000\nEXPOSE $PORT", &[5000]),
            ("FROM x\nENV PORT 5000\nEXPOSE ${PORT}", &[5000]),
            ("ARG PORT=\"7000\"\nFROM x\nEXPOSE ${PORT:-1}", &[7000]),
            ("FROM x\nEXPOSE ${PORT:-4000}", &[4000]),
            ("FROM x\nEXPOSE \\\n  # why\n  3030 \\\n  53/udp\n", &[3030]),
            ("FROM x\nEXPOSE $PORT 0 99999 8000-8010", &[]),
            ("FROM x\n# EXPOSE 1\nRUN echo EXPOSE 2", &[]),
            ("", &[]),
        ];
        for (text, expected) in table {
            let Exposed { port, others } = exposed(text);
            let found: Vec<u16> = port.into_iter().chain(others).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
