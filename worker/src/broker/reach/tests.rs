use super::*;

fn found(text: &str) -> Option<&'static str> {
    serde_json::from_str::<Found>(text).unwrap().elsewhere
}

#[test]
fn what_is_elsewhere_is_found_wherever_it_stands() {
    let rows = [
        r#"[{"type":"message","content":[{"type":"input_image","image_url":"https://x/a.png"}]}]"#,
        r#"[{"type":"message","content":[{"type":"input_image","file_id":"file-1"}]}]"#,
        r#"[{"type":"message","content":[{"type":"input_file","file_url":"https://x/a"}]}]"#,
        r#"[{"type":"function_call_output","output":[{"type":"input_image","image_url":"HTTP://x"}]}]"#,
        r#"[{"type":"item_reference","id":"rs_1"}]"#,
        r#"[{"type":"tool_search_output","tools":[{"type":"mcp","server_url":"https://x"}]}]"#,
        r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x"}}]}]"#,
        r#"[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]"#,
        r#"[{"role":"assistant","audio":{"id":"a"}}]"#,
        r#"[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}]"#,
        r#"[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]"#,
        r#"[{"content":[{"type":"tool_result","content":[{"type":"image","source":{"url":"https://x"}}]}]}]"#,
        r#"[{"content":[{"source":{"type":"content","content":[{"source":{"type":"url"}}]}}]}]"#,
        r#"[{"content":[{"type":"container_upload","file_id":"f"}]}]"#,
        r#"[{"parts":[{"fileData":{"fileUri":"gs://x"}}]}]"#,
        r#"{"parts":[{"file_data":{"file_uri":"https://x"}}]}"#,
        r#"[{"parts":[{"functionResponse":{"name":"f","parts":[{"fileData":{"fileUri":"x"}}]}}]}]"#,
    ];
    for text in rows {
        assert!(found(text).is_some(), "{text}");
    }
}

#[test]
fn what_is_in_the_body_and_what_tools_are_asked_is_not() {
    let rows = [
        r#""hello""#,
        "null",
        r#"[{"type":"tool_search_output","tools":[{"type":"namespace","tools":[{"type":"function"}]}]}]"#,
        r#"[{"type":"message","role":"user","content":"https://x"}]"#,
        r#"[{"content":[{"type":"input_image","image_url":"data:image/png;base64,AA","detail":"auto"}]}]"#,
        r#"[{"content":[{"type":"image_url","image_url":{"url":"DATA:image/png;base64,AA"}}]}]"#,
        r#"[{"content":[{"type":"input_file","file_data":"data:…","filename":"a","file_id":null}]}]"#,
        r#"[{"content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}}]}]"#,
        r#"[{"content":[{"type":"tool_use","id":"t","input":{"file_id":"f","source":{"type":"url"}}}]}]"#,
        r#"[{"type":"function_call","arguments":"{\"image_url\":\"https://x\"}"},{"output":"https://x"}]"#,
        r#"[{"parts":[{"inlineData":{"data":"AA"}},{"functionCall":{"args":{"fileData":{}}}}]}]"#,
        r#"[{"parts":[{"functionResponse":{"name":"f","response":{"output":{"file_id":"x"}}}}]}]"#,
    ];
    for text in rows {
        assert_eq!(found(text), None, "{text}");
    }
}

#[test]
fn what_is_worth_more_tokens_than_bytes_is_counted() {
    let rows = [
        (r#"[{"content":[{"type":"input_image","image_url":"data:image/png;base64,AA"}]}]"#, IMAGE),
        (r#"[{"content":[{"type":"input_file","file_data":"data:application/pdf;base64,AA"}]}]"#, DOCUMENT),
        (r#"[{"content":[{"type":"file","file":{"file_data":"AA"}}]}]"#, DOCUMENT),
        (r#"[{"content":[{"source":{"type":"base64","media_type":"image/png","data":"AA"}}]}]"#, IMAGE),
        (r#"[{"content":[{"source":{"type":"base64","media_type":"application/pdf"}}]}]"#, DOCUMENT),
        (r#"[{"content":[{"source":{"type":"text","media_type":"text/plain","data":"AA"}}]}]"#, 0),
        (r#"[{"parts":[{"inlineData":{"mimeType":"image/png"}},{"inline_data":{"data":"AA"}}]}]"#, IMAGE + DOCUMENT),
        (
            r#"[{"content":[{"type":"tool_result","content":[{"source":{"type":"base64"}},{"text":"a"}]}]},
                {"output":[{"type":"input_image","image_url":"data:,"}]}]"#,
            DOCUMENT + IMAGE,
        ),
    ];
    for (text, heavy) in rows {
        assert_eq!(serde_json::from_str::<Found>(text).unwrap(), Found { elsewhere: None, heavy }, "{text}");
    }
}

#[test]
fn what_two_readers_could_take_differently_cannot_be_read() {
    for text in [
        r#"[{"image_url":"data:a","image_url":"https://x"}]"#,
        r#"[{"fileData":null,"file_data":{"fileUri":"x"}}]"#,
        r#"[{"type":["item_reference"]}]"#,
        r#"[{"image_url":["https://x"]}]"#,
    ] {
        assert!(serde_json::from_str::<Found>(text).is_err(), "{text}");
    }
}
