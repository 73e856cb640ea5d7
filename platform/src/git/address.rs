//! Addresses of repositories: which ones the platform is willing to fetch from.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, bail};
use ipnet::IpNet;
use url::Url;

/// How the repository is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `http` or `https`.
    Http,
    /// `ssh`, also in the short form `user@host:path`.
    Ssh,
}

/// A repository's address that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// As git gets it; never begins with a dash, never holds a password.
    pub url: String,
    /// How it is spoken to.
    pub transport: Transport,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// Checks an address as a person wrote it.
    ///
    /// # Errors
    /// When it is not `http(s)://…`, `ssh://…` or `user@host:path`, or has a password in it. The
    /// error says what to write instead.
    pub fn parse(text: &str) -> anyhow::Result<Address> {
        if text.is_empty()
            || text.starts_with('-')
            || text.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            bail!(
                "a repository's address is wanted, such as https://github.com/you/app or git@github.com:you/app.git"
            );
        }
        let url = match short_ssh(text) {
            Some(long) => long,
            None => text.to_owned(),
        };
        let parsed = Url::parse(&url).context("not an address: https://… or ssh://… is wanted")?;
        let (transport, default_port) = match parsed.scheme() {
            "http" => (Transport::Http, 80),
            "https" => (Transport::Http, 443),
            "ssh" => (Transport::Ssh, 22),
            other => bail!(
                "addresses that begin with `{other}:` are not fetched from: https://… or ssh://… is wanted"
            ),
        };
        if parsed.password().is_some()
            || (transport == Transport::Http && !parsed.username().is_empty())
        {
            bail!(
                "the address must not hold a user or a password: give a token apart (--token-stdin)"
            );
        }
        let host = parsed
            .host_str()
            .filter(|host| !host.is_empty() && !host.starts_with('-'))
            .context("the address has no host")?;
        if parsed.username().starts_with('-') {
            bail!("the user in the address must not begin with a dash");
        }
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        Ok(Address {
            transport,
            port: parsed.port().unwrap_or(default_port),
            host,
            url: parsed.to_string(),
        })
    }

    /// Looks the host up and returns an address that may be connected to. Who connects must use
    /// this very one: another look-up may answer differently.
    ///
    /// # Errors
    /// When the name is unknown, or any of its addresses is private and not allowed.
    pub async fn allowed(&self, private: &[IpNet]) -> anyhow::Result<SocketAddr> {
        let looked_up = tokio::time::timeout(
            std::time::Duration::from_secs(10),
            tokio::net::lookup_host((self.host.clone(), self.port)),
        );
        let addresses: Vec<SocketAddr> = looked_up
            .await
            .with_context(|| format!("looking up {} took too long", self.host))?
            .with_context(|| format!("the host {} is not known", self.host))?
            .collect();
        let permitted = addresses
            .iter()
            .find(|address| may_connect(address.ip(), private));
        permitted.copied().with_context(|| {
            format!(
                "{} is an address inside this network, which this platform does not fetch from \
                 (whoever runs it can allow it: HOPS_FORGE_ALLOW_PRIVATE)",
                self.host
            )
        })
    }
}

/// `user@host:path` in the long form; `None` for everything else.
fn short_ssh(text: &str) -> Option<String> {
    if text.contains("://") {
        return None;
    }
    let (who, path) = text.split_once(':')?;
    let (user, host) = who.split_once('@')?;
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    (plain(user) && plain(host) && !path.starts_with(':'))
        .then(|| format!("ssh://{user}@{host}/{}", path.trim_start_matches('/')))
}

fn may_connect(address: IpAddr, private: &[IpNet]) -> bool {
    let address = address.to_canonical();
    !is_private(address) || private.iter().any(|net| net.contains(&address))
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast()
                || v4.is_multicast() || v4.octets()[0] == 0
                // Shared address space of carriers (RFC 6598).
                || (v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]))
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_multicast()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_and_ssh_are_accepted() {
        let host = |text| {
            Address::parse(text)
                .map(|a| (a.host, a.port, a.transport))
                .unwrap()
        };
        assert_eq!(
            host("https://github.com/you/app"),
            ("github.com".into(), 443, Transport::Http)
        );
        assert_eq!(
            host("http://127.0.0.1:3001/a.git"),
            ("127.0.0.1".into(), 3001, Transport::Http)
        );
        assert_eq!(
            host("git@github.com:you/app.git"),
            ("github.com".into(), 22, Transport::Ssh)
        );
        assert_eq!(
            host("ssh://git@forge.test:2222/a"),
            ("forge.test".into(), 2222, Transport::Ssh)
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for wrong in [
            "",
            "file:///etc",
            "/etc/passwd",
            "./x",
            "ext::sh -c id",
            "ext::sh",
            "--upload-pack=id",
            "-oProxyCommand=id",
            "git://github.com/x",
            "https://user:pw@host/x",
            "https://token@host/x",
            "ssh://-oProxyCommand=id/x",
            "ssh://-x@host/y",
            "host:path",
            "https://a b/",
            "fd::17",
            "user@-host:path",
        ] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_inside_are_refused_unless_allowed() {
        let inside = [
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "::1",
            "::ffff:127.0.0.1",
            "fd00::1",
            "0.0.0.0",
            "100.64.0.1",
        ];
        for address in inside {
            assert!(!may_connect(address.parse().unwrap(), &[]), "{address}");
        }
        assert!(may_connect("140.82.121.4".parse().unwrap(), &[]));
        let allowed: [IpNet; 1] = ["127.0.0.0/8".parse().unwrap()];
        assert!(may_connect("127.0.0.1".parse().unwrap(), &allowed));
        assert!(!may_connect("10.0.0.1".parse().unwrap(), &allowed));
    }
}
