//! Words that were probably meant.

/// `did you mean ..?`, if one of the known words is near.
pub(crate) fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let found = found.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&found, &known.to_lowercase());
    let near = known
        .into_iter()
        .map(|known| (distance(known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4 && *distance < known.len());
    near.min().map(|(_, known)| format!("did you mean `{known}`?"))
}

/// `did you mean ..?`, or else what is known.
pub(crate) fn suggest(found: &str, what: &str, known: &[&str]) -> String {
    let listed = || known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
    did_you_mean(found, known.iter().copied())
        .unwrap_or_else(|| if known.is_empty() { format!("there are no {what}") } else { format!("{what}: {}", listed()) })
}
