//! Logins to databases that end by themselves.

use std::time::Duration;

use iterapp_schema::{AppName, ApplingName};
use jiff::Timestamp;
use reqwest::Method;
use url::Url;
use uuid::Uuid;

use crate::api::{Access, CreateGrant, Grant, Granted};
use crate::cli::Context;
use crate::cli::client::{ANSWER, Ask, Client};
use crate::cli::failure::Failure;
use crate::cli::table::Table;
use crate::cli::target::{EnvironmentArguments, appling_name, id, path_below};
use crate::cli::time::{self, parse_duration};

/// Give out a login that may read a database, and ends by itself
#[derive(Debug, clap::Args)]
#[command(after_help = "\
For programs and people who reach the database's server themselves; `hops db psql` goes
through the platform. The login sees what is in the database and changes nothing. Who asked
for it, and when, is kept: hops db grants.

Examples:
  hops db grant -a hello -e prod --for 8h
  DATABASE_URL=\"$(hops db grant -a hello -e prod)\" ./report")]
pub struct Give {
    #[command(flatten)]
    of: EnvironmentArguments,
    /// Of several databases, that of this appling
    #[arg(long, value_parser = appling_name)]
    appling: Option<ApplingName>,
    /// How long it lasts, at most 168h
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = parse_lasting)]
    lasting: Duration,
}

/// Take a login back before its time
#[derive(Debug, clap::Args)]
pub struct Revoke {
    #[command(flatten)]
    of: EnvironmentArguments,
    /// The login, as `hops db grants` shows it
    #[arg(value_parser = id)]
    grant: Uuid,
}

/// Reads how long a login lasts; the platform gives none for less.
pub fn parse_lasting(text: &str) -> Result<Duration, String> {
    let lasting = parse_duration(text)?;
    match lasting.as_secs() {
        ..10 => Err("it must be at least 10s".to_owned()),
        _ => Ok(lasting),
    }
}

/// Asks the platform for a login.
pub async fn ask(
    client: &Client,
    app: &AppName,
    environment: &str,
    asked: &CreateGrant,
) -> Result<Granted, Failure> {
    let path = path_below(app, environment, &["grants"]);
    client.post(&path, asked, ANSWER).await
}

/// Takes one back.
pub async fn revoke(
    client: &Client,
    app: &AppName,
    environment: &str,
    grant: Uuid,
) -> Result<(), Failure> {
    let id = grant.to_string();
    let ask = Ask {
        path: &path_below(app, environment, &["grants", &id]),
        query: &[],
    };
    client.change(Method::DELETE, ask, None::<&()>).await
}

/// What is asked for so that it lasts this long.
pub fn lasting(appling: Option<ApplingName>, access: Access, lasting: Duration) -> CreateGrant {
    CreateGrant {
        appling,
        access,
        seconds: u32::try_from(lasting.as_secs()).unwrap_or(u32::MAX),
    }
}

impl Give {
    pub async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let app = self.of.app.choose(context, client.url())?;
        let environment = self.of.environment.to_string();
        let asked = lasting(self.appling, Access::Read, self.lasting);
        let granted = ask(client, &app, &environment, &asked).await?;
        let ui = &mut context.ui;
        if ui.is_json() {
            return ui.json(&granted);
        }
        let grant = &granted.grant;
        ui.note(format_args!(
            "it may read {} until {}; hops db revoke -a {app} -e {environment} {} ends it sooner",
            grant.database,
            until(grant.expires_at),
            grant.id,
        ));
        if granted.ca.is_some() {
            ui.hint("the server's certificate is by an authority of its own: --json has it as `ca`, for PGSSLROOTCERT");
        }
        ui.line(address(&granted)?)
    }
}

/// The address by which libpq and most drivers reach the server.
fn address(granted: &Granted) -> Result<Url, Failure> {
    let wrong = || Failure::failed("address", "the server's address makes no sense");
    let host = match granted.host.contains(':') {
        true => format!("[{}]", granted.host),
        false => granted.host.clone(),
    };
    let mut url = Url::parse(&format!("postgres://{host}")).map_err(|_| wrong())?;
    let Granted { grant, .. } = granted;
    url.set_port(Some(granted.port)).map_err(|()| wrong())?;
    url.set_username(&grant.role).map_err(|()| wrong())?;
    url.set_password(Some(&granted.password))
        .map_err(|()| wrong())?;
    url.set_path(&grant.database);
    url.query_pairs_mut()
        .append_pair("sslmode", &granted.sslmode);
    Ok(url)
}

/// A time as a clock on the wall here shows it.
pub fn until(time: Timestamp) -> String {
    let here = time.to_zoned(jiff::tz::TimeZone::system());
    here.strftime("%Y-%m-%d %H:%M %Z").to_string()
}

/// Shows who was let in, and until when.
pub async fn list(
    of: EnvironmentArguments,
    client: &Client,
    context: &mut Context,
) -> Result<(), Failure> {
    let (_, environment, grants) = of.list::<Grant>(client, context, "grants").await?;
    let ui = &mut context.ui;
    if ui.is_json() {
        return ui.json(&grants);
    }
    if grants.is_empty() {
        ui.note(format_args!(
            "nobody was let into the databases of {environment} yet"
        ));
        return Ok(());
    }
    let now = ui.now();
    let mut table = Table::new(["LOGIN", "WHO", "MAY", "DATABASE", "SINCE", "UNTIL"]);
    for grant in grants {
        let until = match grant.ended_at {
            Some(ended) => format!("ended {}", time::ago(ended, now)),
            None if grant.expires_at <= now => "over, being taken back".to_owned(),
            None => until(grant.expires_at),
        };
        table.row([
            grant.id.to_string().into(),
            grant.who.into(),
            grant.access.as_str().into(),
            grant.database.into(),
            time::ago(grant.created_at, now).into(),
            until.into(),
        ]);
    }
    ui.text(&table.render())
}

impl Revoke {
    pub async fn run(self, client: &Client, context: &mut Context) -> Result<(), Failure> {
        let Self { of, grant } = self;
        let app = of.app.choose(context, client.url())?;
        let environment = of.environment.to_string();
        revoke(client, &app, &environment, grant).await?;
        context
            .ui
            .done("the login is gone, and so are its connections")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_one_that_drivers_read() {
        let mut granted: Granted = serde_json::from_value(serde_json::json!({
            "id": Uuid::nil(), "appling": null, "database": "shop_prod_1", "role": "hops_grant_bo_1",
            "access": "read", "who": "bo", "created_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-01-01T01:00:00Z", "ended_at": null, "password": "abc",
            "host": "db.example", "port": 5433, "sslmode": "verify-full",
        }))
        .unwrap();
        let told = address(&granted).unwrap().to_string();
        assert_eq!(
            told,
            "postgres://hops_grant_bo_1:abc@db.example:5433/shop_prod_1?sslmode=verify-full"
        );
        granted.host = "fd00::1".to_owned();
        assert!(
            address(&granted)
                .unwrap()
                .as_str()
                .contains("@[fd00::1]:5433/")
        );
    }
}
