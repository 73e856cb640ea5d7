//! Where a BuildKit daemon listens, and how to connect to it.

mod connect;
mod pool;

use std::{fmt, str::FromStr};

use secrecy::SecretString;

pub(crate) use pool::Pool;

/// One BuildKit daemon.
#[derive(Debug, Clone)]
pub struct Daemon {
    /// `unix:///path/to/socket` or `tcp://host:port`.
    pub address: String,
    /// How to be sure of each other, over TCP. Without it the connection is plain.
    pub tls: Option<Tls>,
}

/// Certificates for a daemon that wants TLS. All are PEM texts.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The authority that signed the daemon's certificate.
    pub ca: String,
    /// Our certificate.
    pub cert: String,
    /// Its private key.
    pub key: SecretString,
    /// The name in the daemon's certificate, where it is not the address' host.
    pub server_name: Option<String>,
}

/// An address that is neither `unix:///path` nor `tcp://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError {
    address: String,
}

impl Daemon {
    /// Reads an address: `unix:///path` or `tcp://host:port`. TLS can be added to the result.
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse(address: &str) -> Result<Daemon, AddressError> {
        Endpoint::parse(address)?;
        Ok(Daemon {
            address: address.to_owned(),
            tls: None,
        })
    }
}

impl FromStr for Daemon {
    type Err = AddressError;

    fn from_str(address: &str) -> Result<Daemon, AddressError> {
        Daemon::parse(address)
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.address;
        write!(
            f,
            "`{address}` is no BuildKit address: write unix:///path or tcp://host:port"
        )
    }
}

impl std::error::Error for AddressError {}

/// An address taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Unix(String),
    Tcp { host: String, port: u16 },
}

impl Endpoint {
    pub(crate) fn parse(address: &str) -> Result<Endpoint, AddressError> {
        let wrong = || AddressError {
            address: address.to_owned(),
        };
        if let Some(path) = address.strip_prefix("unix://") {
            let absolute = path.starts_with('/');
            return absolute
                .then(|| Endpoint::Unix(path.to_owned()))
                .ok_or_else(wrong);
        }
        let rest = address.strip_prefix("tcp://").ok_or_else(wrong)?;
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || host.contains('/') || (host.contains(':') && !bracketed) {
            return Err(wrong());
        }
        Ok(Endpoint::Tcp {
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_unix_or_tcp() {
        let tcp = |host: &str, port| {
            Ok(Endpoint::Tcp {
                host: host.to_owned(),
                port,
            })
        };
        assert_eq!(
            Endpoint::parse("unix:///run/b.sock"),
            Ok(Endpoint::Unix("/run/b.sock".to_owned()))
        );
        assert_eq!(Endpoint::parse("tcp://build-1:1234"), tcp("build-1", 1234));
        assert_eq!(Endpoint::parse("tcp://[::1]:1234"), tcp("[::1]", 1234));
    }

    #[test]
    fn other_addresses_are_refused_with_what_to_write() {
        for wrong in [
            "",
            "unix://relative",
            "tcp://host",
            "tcp://:1",
            "tcp://::1:1",
            "tcp://h/p:1",
            "http://h:1",
            "tcp://h:99999",
        ] {
            let error = Daemon::parse(wrong).expect_err(wrong);
            assert!(error.to_string().contains("tcp://host:port"), "{error}");
        }
    }
}
