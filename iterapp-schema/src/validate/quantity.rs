//! Kubernetes' quantities, as far as people write them for CPU and memory.
//!
//! Source: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>

use crate::diagnostic::Code;
use crate::file::Fault;
use crate::names::quoted;

/// Thousandths of a core, of which Kubernetes takes whole ones.
pub fn cpu(text: &str) -> Result<u128, Fault> {
    let fault = |why: &str| bad(text, "CPU", why);
    let (number, unit) = split(text);
    let thousandths = match unit {
        "" => thousandths(number).ok_or_else(|| {
            fault("it needs a number with at most three decimals").hint("write \"250m\" or \"0.5\"")
        })?,
        "m" => number
            .parse()
            .map_err(|_| fault("`m` needs a whole number before it").hint("write \"250m\""))?,
        _ => {
            return Err(
                fault("CPU is counted in cores, or in `m`, thousandths of one")
                    .hint("write \"250m\" for a quarter of a core"),
            );
        }
    };
    if thousandths > 128_000 {
        let meant = text.chars().all(|c| c.is_ascii_digit());
        let fault = fault("no machine gives one container that many cores");
        return Err(match meant {
            true => fault.hint(format!("did you mean \"{text}m\", thousandths of a core?")),
            false => fault.hint("write \"250m\" for a quarter of a core"),
        });
    }
    in_range(thousandths, 128_000, &fault)
}

/// Bytes.
pub fn memory(text: &str) -> Result<u128, Fault> {
    let fault = |why: &str| bad(text, "memory", why);
    let (number, unit) = split(text);
    let Some(thousandths) = thousandths(number) else {
        return Err(fault("it needs a number").hint("write \"98Mi\""));
    };
    let factor: u128 = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return Err(unknown_unit(text, number, unit)),
    };
    let bytes = thousandths * factor / 1000;
    if (1..1 << 20).contains(&bytes) {
        let fault = fault("no container runs in less than a megabyte");
        return Err(match unit {
            "" => fault.hint(format!("did you mean \"{number}Mi\"?")),
            _ => fault.hint("write \"98Mi\""),
        });
    }
    in_range(bytes, 1 << 50, &fault)
}

/// What people write elsewhere. `m` is the worst: Kubernetes takes it for thousandths of a byte.
fn unknown_unit(text: &str, number: &str, unit: &str) -> Fault {
    let fault = bad(text, "memory", "it has no unit that Kubernetes knows");
    let lower = unit.trim().to_lowercase();
    let meant = match lower
        .trim_end_matches("bytes")
        .trim_end_matches('b')
        .trim_end_matches('i')
    {
        "k" => "Ki",
        "m" => "Mi",
        "g" => "Gi",
        "t" => "Ti",
        _ => return fault.hint("the units are Ki, Mi, Gi, Ti, and k, M, G, T"),
    };
    fault.hint(format!("did you mean \"{number}{meant}\"?"))
}

fn in_range(amount: u128, most: u128, fault: &dyn Fn(&str) -> Fault) -> Result<u128, Fault> {
    match amount {
        0 => {
            Err(fault("it must be more than nothing")
                .hint("leave it out: then nothing is asked for"))
        }
        _ if amount > most => Err(fault("no machine has that much").hint("is the unit right?")),
        _ => Ok(amount),
    }
}

fn bad(text: &str, what: &str, why: &str) -> Fault {
    let message = format!("{} is no amount of {what}: {why}", quoted(text));
    Fault::new(Code::BadQuantity, message)
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    text.split_at(end.unwrap_or(text.len()))
}

/// A decimal number with at most three places, in thousandths.
fn thousandths(number: &str) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 15 || fraction.len() > 3 {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let fraction: u128 = format!("{fraction:0<3}").parse().ok()?;
    Some(whole * 1000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_what_kubernetes_takes_them_for() {
        for (text, amount) in [("24m", 24), ("1", 1000), ("0.5", 500), ("2.125", 2125)] {
            assert_eq!(cpu(text).ok(), Some(amount), "{text}");
        }
        for (text, amount) in [
            ("98Mi", 98 << 20),
            ("1.5Gi", 3 << 29),
            ("128M", 128_000_000),
            ("1048576", 1 << 20),
        ] {
            assert_eq!(memory(text).ok(), Some(amount), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_an_amount() {
        for text in [
            "", "m", "0", "0m", "1.5m", "1.2345", "-1", "1 ", "2 cores", "1e3", ".", "250",
        ] {
            assert!(cpu(text).is_err(), "{text:?}");
        }
        for text in [
            "", "Mi", "128m", "128MB", "0", "-1Mi", "1 Gi", "9999Ti", ".5Gi", "512", "98Ki",
        ] {
            assert!(memory(text).is_err(), "{text:?}");
        }
    }
}
