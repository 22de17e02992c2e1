//! What to write instead: for names that are no script, and for syntax of Lua 5.4 that Luau does not have.

use std::path::Path;

/// How many folders deep similar names are looked for.
const DEPTH: usize = 4;

/// The script whose name is most like `name`, if one is.
pub(super) fn similar(folder: &Path, name: &str) -> Option<String> {
    let mut names = Vec::new();
    collect(folder, "", DEPTH, &mut names);
    let wanted = name.replace('.', "/");
    let wanted = wanted.strip_suffix("/lua").unwrap_or(&wanted);
    let scored = names.into_iter().map(|name| (strsim::jaro_winkler(&name, wanted), name));
    let (score, best) = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (score > 0.8).then_some(best)
}

fn collect(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) {
    // A folder that cannot be read offers no names; the error at hand is about another one.
    let Ok(entries) = folder.read_dir() else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if let Some(script) = name.strip_suffix(".lua") {
            names.push(format!("{prefix}{script}"));
        } else if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), &format!("{prefix}{name}/"), depth - 1, names);
        }
    }
}

/// How to write what the line of a syntax error seems to want.
pub(super) fn rewrite(source: &str, message: &str) -> Option<&'static str> {
    let line = message.split(':').find_map(|part| part.parse::<usize>().ok())?;
    let code = code(source.lines().nth(line.checked_sub(1)?)?);
    let word = |word: &str| code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|other| other == word);
    if word("goto") || code.contains("::") {
        return Some("Luau has no `goto`; write a loop with `continue` or `break`, or a function with `return`");
    }
    if code.contains("<const>") {
        return Some("Luau has no `<const>`; write `local name = value`");
    }
    if code.contains("<close>") {
        return Some("Luau has no `<close>`; close it by a call, after a `pcall` around what may fail");
    }
    // `~=` is not an operator on bits.
    let code = code.replace("~=", "");
    [
        ("<<", "Luau has no `<<`; write `bit32.lshift(a, n)`"),
        (">>", "Luau has no `>>`; write `bit32.rshift(a, n)`"),
        ("&", "Luau has no `&`; write `bit32.band(a, b)`"),
        ("|", "Luau has no `|`; write `bit32.bor(a, b)`"),
        ("~", "Luau has no `~`; write `bit32.bxor(a, b)`, or `bit32.bnot(a)`"),
    ]
    .into_iter()
    .find_map(|(operator, hint)| code.contains(operator).then_some(hint))
}

/// A line without its comment and the contents of its strings.
fn code(line: &str) -> String {
    let mut code = String::new();
    let mut quote = None;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match quote {
            Some(_) if character == '\\' => {
                characters.next();
            }
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if character == '-' && characters.peek() == Some(&'-') => break,
            None if matches!(character, '"' | '\'') => quote = Some(character),
            None => code.push(character),
        }
    }
    code
}
