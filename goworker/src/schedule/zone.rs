//! A time zone as a setting. The database is in the program, so all machines know the same zones.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::spelling::did_you_mean;

/// A time zone of the IANA database, by its name: `Europe/Berlin`, `UTC`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

impl Zone {
    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The date there, such as `2026-11-24`; empty beyond the year 9999.
    pub fn date(&self, instant: Timestamp) -> String {
        jiff::Timestamp::from_millisecond(instant.as_millis())
            .map(|instant| self.0.to_datetime(instant).date().to_string())
            .unwrap_or_default()
    }

    pub(super) fn rules(&self) -> &TimeZone {
        &self.0
    }
}

/// UTC.
impl Default for Zone {
    fn default() -> Self {
        Zone(TimeZone::UTC)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name())
    }
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Zone::default());
        }
        DATABASE.get(name).map(Zone).map_err(|_| format!("there is no time zone `{name}`; {}", meant(name)))
    }
}

/// What is meant by a name that is none: that of a city alone, perhaps.
fn meant(name: &str) -> String {
    let known: Vec<String> = DATABASE.available().map(|known| known.to_string()).collect();
    let city = name.replace(' ', "_");
    let is_of_city = |known: &&String| known.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(&city));
    match known.iter().filter(|known| known.contains('/')).find(is_of_city) {
        Some(known) => format!("did you mean `{known}`?"),
        None => did_you_mean(name, known.iter().map(String::as_str))
            .unwrap_or_else(|| "write a name of the IANA database, such as `Europe/Berlin`, `America/New_York` or `UTC`".to_owned()),
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.name().to_owned()
    }
}

impl JsonSchema for Zone {
    fn schema_name() -> Cow<'static, str> {
        "zone".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A time zone of the IANA database", "examples": ["Europe/Berlin", "UTC"] })
    }
}
