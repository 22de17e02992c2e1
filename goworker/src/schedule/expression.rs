//! One line of a schedule: five fields, six with seconds, or a nickname.

use std::str::FromStr;
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::spelling::did_you_mean;
use crate::units::Dur;

/// A line of a schedule, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    /// As it was written.
    pub(super) text: String,
    pub(super) pattern: Pattern,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// At these times of day. What clocks do when they are changed is made up for.
    TimeOfDay(Cron),
    /// Whenever a clock shows such a time, as every quarter of an hour: it goes by the time that passes.
    Reading(Cron),
    /// Each time when so many milliseconds have passed, counted from 1970-01-01T00:00:00Z.
    Every(i64),
}

/// A field of an expression.
struct Field {
    name: &'static str,
    allowed: &'static str,
    /// The highest number.
    most: u64,
    /// The words that may stand in it.
    words: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "L"];

const FIELDS: [Field; 6] = [
    Field { name: "second", allowed: "0 to 59 are allowed, as in `0`, `*/10`, `0,30`", most: 59, words: &[] },
    Field { name: "minute", allowed: "0 to 59 are allowed, as in `0`, `*/15`, `0,30`", most: 59, words: &[] },
    Field { name: "hour", allowed: "0 to 23 are allowed, as in `3`, `*/2`, `9-17`", most: 23, words: &[] },
    Field {
        name: "day of the month",
        allowed: "1 to 31 are allowed, as in `1`, `1,15`, `L` (the last), `15W`",
        most: 31,
        words: &["L", "W", "LW"],
    },
    Field { name: "month", allowed: "1 to 12 or JAN to DEC are allowed, as in `*`, `1-6`, `JAN,JUL`", most: 12, words: &MONTHS },
    Field {
        name: "weekday",
        allowed: "0 to 7 or SUN to SAT are allowed, as in `*`, `MON-FRI`, `FRI#1` (the first), `5L` (the last)",
        most: 7,
        words: &WEEKDAYS,
    },
];

const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * SUN"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

impl FromStr for Expression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let pattern = match text.strip_prefix("@every") {
            Some(rest) if rest.starts_with(char::is_whitespace) => every(rest)?,
            _ if text.starts_with('@') => fields(nickname(text)?)?,
            _ => fields(text)?,
        };
        Ok(Expression { text: text.to_owned(), pattern })
    }
}

fn every(text: &str) -> Result<Pattern, String> {
    let Dur(step) = text.parse()?;
    // A century is within what can be counted in milliseconds.
    const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);
    match i64::try_from(step.as_millis()) {
        Ok(millis) if millis > 0 && step <= LONGEST && Duration::from_millis(millis.unsigned_abs()) == step => Ok(Pattern::Every(millis)),
        _ => Err(format!("`@every` takes whole milliseconds, from \"1ms\" on; {} is none", Dur(step))),
    }
}

fn nickname(text: &str) -> Result<&'static str, String> {
    if let Some((_, fields)) = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Ok(fields);
    }
    let known = NICKNAMES.map(|(name, _)| name).into_iter().chain(["@every 15m"]);
    Err(match text.to_ascii_lowercase().as_str() {
        "@reboot" => "`@reboot` is no time: a job for each start can be enqueued by what starts the process".to_owned(),
        "@every" => "`@every` needs a time, as in `@every 15m`".to_owned(),
        _ => {
            let hint = did_you_mean(text, known.clone());
            let all = || format!("there are {}", known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
            format!("`{text}` is no schedule; {}", hint.unwrap_or_else(all))
        }
    })
}

/// Five fields, or six.
fn fields(text: &str) -> Result<Pattern, String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let first = match parts.len() {
        5 => 1,
        6 => 0,
        n => {
            let has = format!("`{text}` has {n} field{}", if n == 1 { "" } else { "s" });
            return Err(format!(
                "{has}; write five, minute hour day month weekday, as in `0 3 * * *`, or six, with seconds before them; or `@every 15m`"
            ));
        }
    };
    let faulty = FIELDS.iter().enumerate().skip(first).zip(&parts).find_map(|((at, field), part)| field.fault(at, part));
    if let Some(fault) = faulty {
        return Err(fault);
    }
    let cron = parse(text).map_err(|error| format!("`{text}` is no schedule: {error}"))?;
    // The rule of ISC cron: what begins with a star goes by the time that passes.
    let passes = parts[..parts.len() - 3].iter().any(|part| part.starts_with(['*', '?']));
    Ok(if passes { Pattern::Reading(cron) } else { Pattern::TimeOfDay(cron) })
}

fn parse(text: &str) -> Result<Cron, croner::errors::CronError> {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build().parse(text)
}

impl Field {
    /// What is wrong with what stands in this field, the one at this position of six.
    fn fault(&self, at: usize, part: &str) -> Option<String> {
        let Field { name, allowed, most, words } = self;
        let upper = part.to_uppercase();
        for word in upper.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
            let is_known = |word: &str| words.contains(&word);
            // `FRIL` is the last Friday.
            let is_last = words.contains(&"SUN") && word.strip_suffix('L').is_some_and(is_known);
            if !is_last && !is_known(word) {
                let hint = did_you_mean(word, words.iter().copied().filter(|known| known.len() > 1));
                return Some(format!("`{part}` is no {name}; {}", hint.as_deref().unwrap_or(allowed)));
            }
        }
        let steps = part.split(',').filter_map(|range| range.split_once('/')?.1.parse::<u64>().ok());
        if let Some(step) = steps.max().filter(|step| step > most) {
            let unit = ["s", "m", "h", "d"]
                .get(at)
                .map(|unit| format!("; `@every {step}{unit}` goes by the time that passes"))
                .unwrap_or_default();
            return Some(format!("`{part}` steps out of the {name}s, which end at {most}{unit}"));
        }
        let mut alone = ["*"; 6];
        alone[at] = part;
        parse(&alone.join(" ")).err().map(|_| format!("`{part}` is no {name}; {allowed}"))
    }
}
