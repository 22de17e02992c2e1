//! The drawing of flame graphs.

use rpprof::flamegraph::{Options, from_lines};

/// Draws lines of stacks, `outer;inner 12`. If there are none, that is what it shows.
pub(super) fn svg(lines: &str, title: &str, subtitle: &str, unit: &str) -> Result<Vec<u8>, String> {
    let mut options = Options::default();
    options.title = title.to_owned();
    options.subtitle = Some(subtitle.to_owned());
    options.count_name = unit.to_owned();
    let lines = if lines.is_empty() { "nothing was sampled: the process was idle 1\n" } else { lines };
    let mut svg = Vec::new();
    from_lines(&mut options, lines.lines(), &mut svg).map_err(|error| error.to_string())?;
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_without_samples_says_so() {
        let svg = String::from_utf8(svg("", "Title", "0 samples", "samples").unwrap()).unwrap();
        assert!(svg.contains("<title>nothing was sampled: the process was idle (1 samples, 100.00%)</title>"), "{svg}");
        assert!(svg.trim_end().ends_with("</svg>"));
    }
}
