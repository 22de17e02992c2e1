//! Rates, sizes and durations, as GoWorker wrote them.

use crate::units::{Dur, Size};

/// So many jobs a second as a `rate`: `per(200, "1s")`.
pub(super) fn rate(target: f64) -> Option<String> {
    const MOST: f64 = 1_000_000.0;
    if !(target > 0.0 && target.is_finite()) {
        return None;
    }
    // The shortest stretch with a whole number of jobs in it.
    let stretches = [(1.0, "1s"), (2.0, "2s"), (5.0, "5s"), (10.0, "10s"), (60.0, "1m"), (3_600.0, "1h")];
    let is_whole = |(seconds, _): &&(f64, &str)| (target * seconds).fract() == 0.0;
    let (seconds, stretch) = stretches.iter().find(is_whole).unwrap_or(&(3_600.0, "1h"));
    Some(format!("per({:.0}, \"{stretch}\")", (target * seconds).floor().clamp(1.0, MOST)))
}

/// `2G`, `512M`, `1.5gb`, `1048576`: powers of 1024, as GoWorker counted.
pub(super) fn memory(text: &str) -> Option<Size> {
    let text = text.trim().to_ascii_uppercase();
    let text = text.strip_suffix("IB").or(text.strip_suffix('B')).unwrap_or(&text);
    let is_scaled = text.ends_with(['K', 'M', 'G', 'T']);
    let size: Size = format!("{text}{}", if is_scaled { "iB" } else { "B" }).parse().ok()?;
    (size.bytes() > 0).then_some(size)
}

/// `1h`, `1m30s`, `500ms`.
pub(super) fn interval(text: &str) -> Option<Dur> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_becomes_a_rate_with_a_whole_number_of_jobs() {
        let written = [200.0, 0.5, 2.5, 0.1, 1.0 / 60.0, 1e9, 0.000_1].map(|target| rate(target).unwrap());
        let rates = [
            "per(200, \"1s\")",
            "per(1, \"2s\")",
            "per(5, \"2s\")",
            "per(1, \"10s\")",
            "per(1, \"1m\")",
            "per(1000000, \"1s\")",
            "per(1, \"1h\")",
        ];
        assert_eq!(written, rates);
        assert_eq!([0.0, -1.0, f64::NAN].map(rate), [const { None }; 3]);
    }

    #[test]
    fn sizes_are_in_powers_of_1024() {
        let read = |text| memory(text).map(|size| size.to_string()).unwrap_or_default();
        assert_eq!(["2G", "512m", "1.5gb", "64KiB", "1048576", "3T"].map(read), ["2GiB", "512MiB", "1536MiB", "64KiB", "1MiB", "3TiB"]);
        assert_eq!(["", "G", "0", "-1G", "two", "0G"].map(read), [""; 6]);
    }

    #[test]
    fn durations_are_those_of_go() {
        let read = |text| interval(text).map(|dur| dur.to_string()).unwrap_or_default();
        assert_eq!(["1h", "1m30s", "500ms", "10", "soon"].map(read), ["1h", "1m 30s", "500ms", "", ""]);
    }
}
