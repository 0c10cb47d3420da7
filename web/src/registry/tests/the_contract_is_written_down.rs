use super::*;

#[tokio::test]
async fn the_description_of_the_api_is_served_to_everybody() {
    let court = Court::open().await;
    let response = court
        .client
        .get(court.url("/openapi.json"))
        .send()
        .await
        .unwrap();
    let served: Value = response.json().await.unwrap();
    let (_, openapi) = router(court.state.clone());
    assert_eq!(served, serde_json::to_value(&openapi).unwrap());
    insta::assert_json_snapshot!(served);
}

#[tokio::test]
async fn every_reference_in_the_description_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(
                    fields
                        .get("$ref")
                        .and_then(Value::as_str)
                        .map(str::to_owned),
                );
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let court = Court::open().await;
    let (_, openapi) = router(court.state.clone());
    let document = serde_json::to_value(&openapi).unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    // Each parameter of a path is declared.
    for (path, item) in document["paths"].as_object().unwrap() {
        for name in path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
        {
            for operation in item.as_object().unwrap().values() {
                let declared = operation["parameters"].as_array().unwrap();
                assert!(
                    declared
                        .iter()
                        .any(|p| p["name"] == name.0 && p["in"] == "path"),
                    "{path}"
                );
            }
        }
    }
}
