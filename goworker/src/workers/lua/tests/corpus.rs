//! Job-like scripts in the styles of Lua 5.1 to 5.4, as people bring them along: each runs, or fails at once with the way to write it.

use std::path::Path;

use super::{Bench, show};

#[tokio::test]
async fn scripts_for_lua_51_to_54_run_or_say_how_to_write_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/workers/lua/tests/corpus");
    let bench = Bench::new(&[]).await;
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        let (name, text) = (file.file_stem().unwrap().to_str().unwrap(), std::fs::read_to_string(file).unwrap());
        let (_, rest) = text.split_once("Params: ").unwrap();
        let (params, rest) = rest.split_once("\n-- ").unwrap();
        let (expected, _) = rest.split_once('\n').unwrap();
        bench.write(&format!("{name}.lua"), &text);
        let shown = show(bench.run(name, params).await);
        match expected.split_once(": ").unwrap() {
            ("Result", result) => assert_eq!(shown, format!("done {result}"), "{name}"),
            ("Fails", why) => assert!(!shown.starts_with("done") && shown.contains(why), "{name}: {shown}"),
            _ => panic!("{name} says neither what its result is nor how it fails"),
        }
    }
    assert!(files.len() >= 30, "only {} scripts", files.len());
}
