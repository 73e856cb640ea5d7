//! Times as people say them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How long ago: `just now`, `3 min ago`, `2 days ago`; the date when it is more than a month.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs();
    match seconds {
        ..5 => "just now".to_owned(),
        5..2_592_000 => format!("{} ago", rounded(seconds)),
        _ => then.strftime("%Y-%m-%d").to_string(),
    }
}

/// A moment, to the minute.
pub fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// How long something took: `8 s`, `1 min 20 s`, `2 h 5 min`.
pub fn took(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        _ => two(seconds / 3600, "h", seconds / 60 % 60, "min"),
    }
}

/// Reads `30m`, `90s`, `1h 30m`; it must be more than nothing and less than a week.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write it like 90s, 30m or 1h30m".to_owned();
    let duration: SignedDuration = text.parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(duration).map_err(|_| wrong())?;
    match duration.as_secs() {
        1..=604_800 => Ok(duration),
        _ => Err("it must be between 1s and 168h".to_owned()),
    }
}

fn rounded(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        86_400..172_800 => "1 day".to_owned(),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn two(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        let now: Timestamp = "2026-11-21T14:00:00Z".parse().unwrap();
        let table = [
            (-30, "just now"),
            (0, "just now"),
            (5, "5 s ago"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (3599, "59 min ago"),
            (3600, "1 h ago"),
            (86_400, "1 day ago"),
            (172_800, "2 days ago"),
            (2_591_999, "29 days ago"),
            (2_592_000, "2026-10-22"),
        ];
        for (seconds, expected) in table {
            let then = now - SignedDuration::from_secs(seconds);
            assert_eq!(ago(then, now), expected, "{seconds}");
        }
    }

    #[test]
    fn lengths() {
        let told = |seconds| took(SignedDuration::from_secs(seconds));
        assert_eq!(told(-3), "0 s");
        assert_eq!(told(8), "8 s");
        assert_eq!(told(80), "1 min 20 s");
        assert_eq!(told(120), "2 min");
        assert_eq!(told(7500), "2 h 5 min");
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("30m"), Ok(1800));
        assert_eq!(seconds("1h30m"), Ok(5400));
        assert_eq!(seconds("2 min"), Ok(120));
        for text in ["", "30", "-5m", "0s", "10d", "soon"] {
            assert!(seconds(text).is_err(), "{text:?}");
        }
    }
}
