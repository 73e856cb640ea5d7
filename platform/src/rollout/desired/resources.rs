//! What a pod is sure to get of its node, and what it may use at most.

use std::collections::BTreeMap;

use iterapp_schema::Scale;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Part;

/// The CPU that a container of an autoscaled appling requests when nobody says how much: the
/// autoscaler measures in percent of that, and does nothing for pods that request none.
const AUTOSCALED_CPU: &str = "100m";

/// What the author asks for, or the platform's settings where he says nothing.
pub(super) fn resources(part: &Part<'_>) -> Option<ResourceRequirements> {
    let run = &part.version.spec.run;
    let (own, default) = ((&run.requests, &run.limits), &part.settings.defaults);
    let for_autoscaler = match run.scale {
        Scale::Auto(_) => Some(AUTOSCALED_CPU),
        Scale::Fixed(_) => None,
    };
    let cpu = Amounts {
        request: own.0.cpu.as_deref(),
        limit: own.1.cpu.as_deref(),
    }
    .or(Amounts {
        request: default.requests.cpu.as_deref().or(for_autoscaler),
        limit: default.limits.cpu.as_deref(),
    });
    let memory = Amounts {
        request: own.0.memory.as_deref(),
        limit: own.1.memory.as_deref(),
    }
    .or(Amounts {
        request: default.requests.memory.as_deref(),
        limit: default.limits.memory.as_deref(),
    });
    let resources = ResourceRequirements {
        requests: quantities(cpu.request, memory.request),
        limits: quantities(cpu.limit, memory.limit),
        ..ResourceRequirements::default()
    };
    (resources != ResourceRequirements::default()).then_some(resources)
}

/// Of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Amounts<'a> {
    request: Option<&'a str>,
    limit: Option<&'a str>,
}

impl<'a> Amounts<'a> {
    /// These, and defaults for what is missing. Kubernetes refuses a request above its limit, so a
    /// default gives way to what the author wrote.
    fn or(self, default: Self) -> Self {
        let request = self.request.or(default.request);
        let limit = self.limit.or(default.limit);
        let amount = |text: Option<&str>| text.and_then(amount);
        match (amount(request), amount(limit)) {
            (Some(wanted), Some(most)) if wanted > most && self.request.is_none() => Self {
                request: limit,
                limit,
            },
            (Some(wanted), Some(most)) if wanted > most && self.limit.is_none() => Self {
                request,
                limit: request,
            },
            _ => Self { request, limit },
        }
    }
}

fn quantities(cpu: Option<&str>, memory: Option<&str>) -> Option<BTreeMap<String, Quantity>> {
    let pairs = [("cpu", cpu), ("memory", memory)].into_iter();
    let quantities: BTreeMap<String, Quantity> = pairs
        .filter_map(|(name, text)| Some((name.to_owned(), Quantity(text?.to_owned()))))
        .collect();
    (!quantities.is_empty()).then_some(quantities)
}

/// How much a quantity in Kubernetes' notation is, in cores or bytes; nothing for what is none.
pub fn amount(quantity: &str) -> Option<f64> {
    let end = quantity.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = quantity.split_at(end.unwrap_or(quantity.len()));
    let factor = match unit {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_compared_by_what_they_amount_to() {
        let same = [
            ("1", "1000m"),
            ("0.5", "500m"),
            ("1Gi", "1024Mi"),
            ("2k", "2000"),
        ];
        for (one, other) in same {
            assert_eq!(amount(one), amount(other), "{one} {other}");
        }
        assert!(amount("1G") < amount("1Gi"));
        for wrong in ["", "m", "1.2.3", "-1", "1 Gi", "1X", "much"] {
            assert_eq!(amount(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_default_gives_way_to_what_the_author_wrote() {
        let amounts = |request: &'static str, limit: &'static str| {
            let some = |text: &'static str| (!text.is_empty()).then_some(text);
            Amounts {
                request: some(request),
                limit: some(limit),
            }
        };
        let rows = [
            (amounts("", ""), amounts("", ""), amounts("", "")),
            (amounts("", ""), amounts("100m", "1"), amounts("100m", "1")),
            (
                amounts("200m", ""),
                amounts("100m", "1"),
                amounts("200m", "1"),
            ),
            (amounts("", "2"), amounts("100m", "1"), amounts("100m", "2")),
            (
                amounts("", "50m"),
                amounts("100m", "1"),
                amounts("50m", "50m"),
            ),
            (amounts("3", ""), amounts("100m", "1"), amounts("3", "3")),
            // His own mistake: Kubernetes says so better than a guess would.
            (amounts("3", "1"), amounts("", ""), amounts("3", "1")),
        ];
        for (own, default, expected) in rows {
            assert_eq!(own.or(default), expected, "{own:?} {default:?}");
        }
    }
}
