//! Numbers, arrays and nulls on their way through a script.

use super::{outcome, output};

#[tokio::test]
async fn json_comes_back_as_it_went_in() {
    for params in [
        r#"[]"#,
        r#"{"a":[],"b":{},"c":[[],{}]}"#,
        r#"{"max":18446744073709551615,"min":-9223372036854775808,"n":9007199254740993}"#,
        r#"[1,-1,0,0.5,1e+300,9007199254740992]"#,
        r#"[null,true,false,null]"#,
        r#""\u0000\"\\ü""#,
    ] {
        assert_eq!(output("return job.params", params).await, params);
        assert_eq!(output("return json.decode(json.encode(job.params))", params).await, params);
    }
}

#[tokio::test]
async fn whole_floats_are_written_as_integers() {
    assert_eq!(output("return { 3.0, 2^53, -0.0, 1e15, 2^62 }", "{}").await, "[3,9007199254740992,0,1000000000000000,4611686018427387904]");
}

#[tokio::test]
async fn large_integers_compare_print_and_compute_exactly() {
    let script = "
        local a, b = job.params.a, job.params.b
        return {
          a == b, a == json.decode('9007199254740993'), a < b, a <= a, b > a,
          tostring(a), 'n=' .. a, string.format('%s', a),
          a + 1, a - 1, b - a, a * 2, -a, a // 2, a % 10, math.type(a), a / 2,
        }";
    let params = r#"{"a":9007199254740993,"b":9007199254740995}"#;
    assert_eq!(
        output(script, params).await,
        "[false,true,true,true,true,\"9007199254740993\",\"n=9007199254740993\",\"9007199254740993\",\
         9007199254740994,9007199254740992,2,18014398509481986,-9007199254740993,4503599627370496,3,\"integer\",4503599627370496]"
    );
}

#[tokio::test]
async fn the_fields_of_an_object_are_written_in_order() {
    assert_eq!(output("return { b = 1, a = 2, c = { z = 1, y = 2 } }", "{}").await, r#"{"a":2,"b":1,"c":{"y":2,"z":1}}"#);
}

#[tokio::test]
async fn arrays_objects_and_null_can_be_said() {
    assert_eq!(output("return { json.array(), json.object(), json.array{1}, json.null }", "{}").await, "[[],{},[1],null]");
    assert_eq!(output("return job.params.x == json.null", r#"{"x":null}"#).await, "true");
}

#[tokio::test]
async fn json_nested_too_deep_is_refused_both_ways() {
    let deep = "local t = {} local top = t for i = 1, 200 do t[1] = {} t = t[1] end return top";
    let refused = outcome(deep, "{}").await;
    assert!(refused.starts_with("failed: result[1][1]") && refused.ends_with(": nested deeper than 128"), "{refused}");
    let decoded = outcome("return json.decode(('['):rep(200) .. (']'):rep(200))", "{}").await;
    assert!(decoded.contains("recursion limit exceeded"), "{decoded}");
}
