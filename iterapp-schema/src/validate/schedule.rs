//! Schedules of cron as Kubernetes reads them: five fields, or a macro.
//!
//! Source: <https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax>

use std::ops::RangeInclusive;

use crate::diagnostic::Code;
use crate::file::Fault;
use crate::names::quoted;

const MACROS: [&str; 7] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

struct Field {
    name: &'static str,
    range: RangeInclusive<u32>,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        range: 0..=59,
        names: &[],
    },
    Field {
        name: "hour",
        range: 0..=23,
        names: &[],
    },
    Field {
        name: "day of the month",
        range: 1..=31,
        names: &[],
    },
    Field {
        name: "month",
        range: 1..=12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "day of the week",
        range: 0..=6,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

/// A schedule, with one blank between its fields.
pub fn schedule(text: &str) -> Result<String, Fault> {
    let fault = |why: String| {
        let message = format!("{} is no schedule: {why}", quoted(text));
        Fault::new(Code::BadSchedule, message)
    };
    if text.starts_with('@') {
        return match MACROS.contains(&text) {
            true => Ok(text.to_owned()),
            false => Err(fault("there is no such word".to_owned()).hint(format!(
                "the words are {}; anything else has five fields, such as \"*/10 * * * *\"",
                MACROS.join(", ")
            ))),
        };
    }
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let fault = fault(format!("it has {} fields and not five", fields.len()));
        return Err(match &fields[..] {
            [first, rest @ ..] if rest.len() == 5 => fault.hint(format!(
                "seconds are not possible; did you mean {:?}? (without {first:?})",
                rest.join(" ")
            )),
            _ => fault.hint(
                "the fields are minute, hour, day of the month, month, day of the week: \"0 3 * * *\"",
            ),
        });
    }
    for (field, text) in FIELDS.iter().zip(&fields) {
        field.check(text).map_err(|(why, hint)| {
            let fault = fault(format!("{:?}, the {}, {why}", text, field.name));
            match hint {
                Some(hint) => fault.hint(hint),
                None => fault,
            }
        })?;
    }
    if never(&fields) {
        return Err(fault("no month has that day".to_owned())
            .hint("the third field is the day, the fourth the month"));
    }
    Ok(fields.join(" "))
}

type Why = (String, Option<String>);

impl Field {
    fn check(&self, text: &str) -> Result<(), Why> {
        text.split(',').try_for_each(|part| self.check_part(part))
    }

    fn check_part(&self, part: &str) -> Result<(), Why> {
        let (span, step) = part
            .split_once('/')
            .map_or((part, None), |(a, b)| (a, Some(b)));
        if let Some(step) = step
            && !step.parse::<u32>().is_ok_and(|step| step > 0)
        {
            return Err(("has a step that is no number above 0".to_owned(), None));
        }
        if matches!(span, "*" | "?") {
            return Ok(());
        }
        let (first, last) = span
            .split_once('-')
            .map_or((span, None), |(a, b)| (a, Some(b)));
        let first = self.number(first)?;
        let last = last.map_or(Ok(first), |last| self.number(last))?;
        match first <= last {
            true => Ok(()),
            false => Err(("has a range that ends before it begins".to_owned(), None)),
        }
    }

    fn number(&self, text: &str) -> Result<u32, Why> {
        let named = self
            .names
            .iter()
            .position(|name| text.eq_ignore_ascii_case(name));
        if let Some(place) = named {
            return Ok(self.range.start() + u32::try_from(place).unwrap_or(0));
        }
        let (least, most) = (self.range.start(), self.range.end());
        let number: u32 = text
            .parse()
            .map_err(|_| (format!("has {text:?}, which is no number"), None))?;
        if self.range.contains(&number) {
            return Ok(number);
        }
        let sunday = (self.names.len() == 7 && number == 7).then(|| "Sunday is 0".to_owned());
        Err((format!("must be from {least} to {most}"), sunday))
    }
}

/// Whether a day is asked for that none of the months has. A day of the week happens anyway.
fn never(fields: &[&str]) -> bool {
    const DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let [_, _, day, month, weekday] = fields else {
        return false;
    };
    let (Ok(day), Ok(month)) = (day.parse::<u32>(), FIELDS[3].number(month)) else {
        return false;
    };
    let days = DAYS.get(usize::try_from(month).unwrap_or(0).saturating_sub(1));
    *weekday == "*" && days.is_some_and(|days| day > *days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cron_takes() {
        for text in [
            "0 3 * * *",
            "*/10 * * * *",
            "0 0,12 1 */2 *",
            "5 4 * * sun",
            "0 9-17 * * MON-FRI",
            "0 0 ? * ?",
            "@daily",
            "0  3 *\t* *",
            "0 0 29 feb *",
            "0 0 31 2 1",
            "1-59/2 * * * *",
        ] {
            assert!(schedule(text).is_ok(), "{text}");
        }
        assert_eq!(schedule(" 0  3 * * * ").ok().as_deref(), Some("0 3 * * *"));
    }

    #[test]
    fn what_it_does_not() {
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *",
            "@every 5m",
            "@reboot",
            "0 0 30 2 *",
            "0 0 L * *",
            "-1 * * * *",
            "1, * * * *",
        ] {
            assert!(schedule(text).is_err(), "{text}");
        }
    }
}
