//! Contracts of two rows of two patches.

use serde_json::{Value, json};

use super::super::{Contract, ContractError, ImageContract};

/// Two rows of two patches of two by two pixels.
fn small_json() -> Value {
    let channel = |name, mean, deviation| json!({"name": name, "mean": mean, "deviation": deviation});
    let class = |name| json!({"name": name, "label": "L", "text": "T"});
    json!({
        "format": 2, "model_id": "small", "title": "t", "intended_use": "i", "not_for": "n", "warning": "w",
        "image": {
            "resize": {"side": 6, "filter": "lanczos3"}, "crop": 4, "patch": 2, "scale": 48,
            "channels": [channel("red", 0.485, 0.229), channel("green", 0.456, 0.224),
                         channel("blue", 0.406, 0.225)]
        },
        "classes": [class("a"), class("b")],
        "scores": {"output": "logits", "aggregate": "max", "logit_per_integer": 0.5, "temperature": 2.0}
    })
}

fn small() -> ImageContract {
    let contract = Contract::from_json(small_json().to_string().as_bytes()).unwrap();
    contract.image().unwrap().clone()
}

#[test]
fn levels_become_the_integers_of_the_exporter() {
    let contract = small();
    let of = |channel: usize, level| contract.integer(&contract.channels[channel], level);
    // `derm_standin.images.level_table()` gives these.
    assert_eq!([of(0, 0), of(1, 0), of(2, 0)], [-102, -98, -87]);
    assert_eq!([of(0, 255), of(1, 255), of(2, 255)], [108, 117, 127]);
    assert_eq!([of(0, 124), of(1, 116), of(2, 104)], [0, 0, 0]);
    let bounds = contract.input_bounds();
    assert_eq!(
        (bounds.len(), bounds[0], bounds[11]),
        (12, (-102, 108), (-87, 127))
    );
}

#[test]
fn patches_are_cut_row_by_row_channels_first() {
    let contract = small();
    // Red tells the place of a pixel, green and blue are dark.
    let rgb: Vec<u8> = (0..16_u8).flat_map(|at| [at * 16, 0, 0]).collect();
    let patches = contract.quantise(&rgb).unwrap();
    let red = |level| contract.integer(&contract.channels[0], level);
    assert_eq!(patches.len(), 4);
    assert_eq!(patches[1][..4], [red(32), red(48), red(96), red(112)]);
    assert_eq!(patches[2][..4], [red(128), red(144), red(192), red(208)]);
    assert_eq!(patches[3][4..], [-98, -98, -98, -98, -87, -87, -87, -87]);
    let wrong = contract.quantise(&rgb[1..]).unwrap_err();
    assert_eq!((wrong.got, wrong.needed), (47, 48));
}

#[test]
fn every_rule_of_an_image_contract_is_checked() {
    let refused = |alter: &dyn Fn(&mut Value)| {
        let mut contract = small_json();
        alter(&mut contract);
        Contract::from_json(contract.to_string().as_bytes())
            .unwrap_err()
            .to_string()
    };
    let image = |key: &str, value: Value| refused(&|c| c["image"][key] = value.clone());
    let channel = |key: &str, value: Value| refused(&|c| c["image"]["channels"][1][key] = value.clone());
    let class = |key: &str, value: Value| refused(&|c| c["classes"][1][key] = value.clone());
    let score = |key: &str, value: Value| refused(&|c| c["scores"][key] = value.clone());
    let form = "contract is not of the expected JSON form";
    assert!(image("crop", json!(7)).contains("the crop lies within"));
    assert!(image("crop", json!(0)).contains("the crop lies within"));
    assert!(image("patch", json!(3)).contains("patches tile the crop"));
    assert!(image("patch", json!(0)).contains("patches tile the crop"));
    assert!(image("scale", json!(0)).contains("positive"));
    assert!(image("scale", json!(1e9)).contains("within 2^20"));
    assert!(image("resize", json!({"side": 4096, "filter": "lanczos3"})).contains("2048"));
    assert_eq!(image("resize", json!({"side": 6, "filter": "nearest"})), form);
    assert!(
        refused(&|c| {
            c["image"]["resize"]["side"] = json!(576);
            c["image"]["crop"] = json!(576);
            c["image"]["patch"] = json!(6);
        })
        .contains("no more patches")
    );
    assert!(image("channels", json!([])).contains("red, green, blue"));
    assert!(channel("name", json!("red")).contains("red, green, blue"));
    assert!(channel("mean", json!(1.5)).starts_with("contract channel 1 is not acceptable: mean"));
    assert!(channel("deviation", json!(-1)).contains("deviation"));
    assert!(class("name", json!("a")).starts_with("contract class 1 is not acceptable: names are unique"));
    assert!(class("label", json!("\u{1b}")).contains("label has"));
    assert!(class("text", json!("")).contains("text has"));
    assert!(refused(&|c| c["classes"] = json!([c["classes"][0]])).contains("2 to 64 classes"));
    assert!(score("temperature", json!(0)).contains("positive"));
    assert!(score("output", json!("")).contains("output is"));
    assert_eq!(score("aggregate", json!("mean")), form);
    assert_eq!(refused(&|c| c["fields"] = json!([])), form);
}

/// The small contract in format 3, with a clear head of every pool over two features.
fn head_json() -> Value {
    let mut contract = small_json();
    contract["format"] = json!(3);
    contract["licence"] = json!({"name": "CC BY-NC 4.0", "text": "Made-up data.", "non_commercial": true});
    contract["scores"] = json!({
        "kind": "head", "output": "features", "inputs": 3, "value_per_integer": 0.5, "temperature": 2.0,
        "hidden": {
            "weights": [[1, 0, 0], [0, 1, -1]], "bias": [0, 1],
            "positions": [[0, 0], [0, 0], [1, 0], [0, 0]],
        },
        "pool": {"mean": true, "max": true, "attention": [[1, 0], [0, 0]]},
        "classes": {"weights": [[1, 0, 0, 0, 1, 0, 0, 0], [0, 1, 0, 1, 0, 0, 0, 1]], "bias": [0, 0.5]}
    });
    contract["thresholds"] = json!([{"class": "b", "probability": 0.25, "text": "B is likely."}]);
    contract
}

fn read(contract: &Value) -> Result<ImageContract, ContractError> {
    Contract::from_json(contract.to_string().as_bytes()).map(|contract| contract.image().unwrap().clone())
}

/// Outputs whose h is, patch by patch: (1, 1), (0, 3), (2, 0), (0, 1).
fn outputs() -> Vec<Vec<i64>> {
    vec![vec![2, 2, 2], vec![-6, 4, 0], vec![2, 0, 9], vec![0, 7, 7]]
}

fn close(got: f64, want: f64) {
    assert!((got - want).abs() < 1e-12, "{got} instead of {want}");
}

/// `1 / (1 + e^-x)`: the share of the second of two classes whose logits differ by x.
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn the_head_is_computed_as_on_paper() {
    let contract = read(&head_json()).unwrap();
    assert_eq!((contract.output_len(), contract.has_head()), (3, true));
    // Mean (3/4, 5/4), max (2, 3). The first attention head weighs by e^1, e^0, e^2, e^0, the second equally.
    let e = std::f64::consts::E;
    let sum = e + 1.0 + e * e + 1.0;
    let attended = [(e + 2.0 * e * e) / sum, (e + 3.0 + 1.0) / sum];
    let logits = [0.75 + attended[0], 0.5 + 1.25 + 3.0 + 1.25];
    let scores = contract.scores(&outputs()).unwrap();
    close(scores.probabilities[1], sigmoid((logits[1] - logits[0]) / 2.0));
    close(scores.probabilities.iter().sum(), 1.0);
    assert_eq!(scores.class, 1);
    // Every pool of the map gives the patch's own h: logits 2 h_0 and 0.5 + 3 h_1.
    let map = contract.map(&outputs()).unwrap();
    assert_eq!((map.rows, map.weighted), (2, true));
    let own = [(1.0, 1.0), (0.0, 3.0), (2.0, 0.0), (0.0, 1.0)];
    let first = [e / sum, 1.0 / sum, e * e / sum, 1.0 / sum];
    for (at, ((place, (one, two)), first)) in map.patches.iter().zip(own).zip(first).enumerate() {
        let alone = contract.alone(at, &outputs()[at]).unwrap();
        close(alone.probabilities[place.class], place.probability);
        let share = sigmoid((0.5 + 3.0 * two - 2.0 * one) / 2.0);
        assert_eq!(place.class, usize::from(share > 0.5));
        close(place.probability, share.max(1.0 - share));
        close(place.weight, f64::midpoint(first, 0.25));
    }
    assert!(
        contract.scores(&outputs()[1..]).is_err()
            && contract
                .map(&[vec![1; 2], vec![1; 2], vec![1; 2], vec![1; 2]])
                .is_err()
    );
    let debug = format!("{scores:?} {map:?} {:?}", map.patches[0]);
    assert!(!debug.contains("0."), "{debug}");
}

#[test]
fn each_pool_stands_alone_and_without_a_hidden_layer() {
    let mut contract = head_json();
    contract["scores"].as_object_mut().unwrap().remove("hidden");
    contract["scores"]["inputs"] = json!(2);
    contract["scores"]["classes"] = json!({"weights": [[1, 0], [0, 1]], "bias": [0, 0]});
    // x is half of it: without a hidden layer nothing is cut off at 0.
    let outputs = [vec![-4, 2], vec![0, 4], vec![2, 0], vec![-2, 2]];
    let attention = {
        // Scores 0.5 x_0: -1, 0, 0.5, -0.5.
        let weights = [(-1.0_f64).exp(), 1.0, 0.5_f64.exp(), (-0.5_f64).exp()];
        let sum: f64 = weights.iter().sum();
        let of = |x: [f64; 4]| weights.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() / sum;
        of([1.0, 2.0, 0.0, 1.0]) - of([-2.0, 0.0, 1.0, -1.0])
    };
    let pools = [
        (json!({"mean": true, "max": false, "attention": []}), 1.0 + 0.5),
        (json!({"mean": false, "max": true, "attention": []}), 2.0 - 1.0),
        (
            json!({"mean": false, "max": false, "attention": [[0.5, 0]]}),
            attention,
        ),
    ];
    for (pool, difference) in pools {
        contract["scores"]["pool"] = pool;
        let contract = read(&contract).unwrap();
        close(
            contract.scores(&outputs).unwrap().probabilities[1],
            sigmoid(difference / 2.0),
        );
        let map = contract.map(&outputs).unwrap();
        close(map.patches[0].probability, sigmoid(3.0 / 2.0));
        if !map.weighted {
            assert!(
                map.patches
                    .iter()
                    .all(|place| (place.weight - 0.25).abs() < 1e-15)
            );
        }
    }
}

#[test]
fn thresholds_are_reached_at_their_probability() {
    let reached = |threshold: f64| {
        let mut contract = head_json();
        contract["thresholds"][0]["probability"] = json!(threshold);
        let contract = read(&contract).unwrap();
        let scores = contract.scores(&outputs()).unwrap();
        let texts: Vec<String> = contract.reached(&scores).map(|it| it.text().to_owned()).collect();
        (scores.probabilities[1], texts)
    };
    let (probability, texts) = reached(0.25);
    assert_eq!(texts, ["B is likely."]);
    assert_eq!(reached(probability).1.len(), 1, "at it");
    assert!(reached(probability.next_up()).1.is_empty(), "above it");
}

#[test]
fn format_3_reads_the_plain_maximum_too_and_states_its_licence() {
    let mut contract = small_json();
    contract["format"] = json!(3);
    contract["licence"] = json!({"name": "CC BY 4.0", "text": "Made-up data.", "non_commercial": false});
    contract["scores"] =
        json!({"kind": "max", "output": "logits", "logit_per_integer": 0.5, "temperature": 2.0});
    let later = read(&contract).unwrap();
    let patches = [vec![4, 1], vec![-9, 8], vec![0, 0], vec![2, 2]];
    assert_eq!(later.scores(&patches).unwrap(), small().scores(&patches).unwrap());
    assert!(!later.has_head() && later.thresholds().is_empty());
    let line = |contract: &Value| {
        let contract = Contract::from_json(contract.to_string().as_bytes()).unwrap();
        contract.licence().map(super::super::Licence::line)
    };
    assert_eq!(line(&contract).as_deref(), Some("CC BY 4.0"));
    assert_eq!(
        line(&head_json()).as_deref(),
        Some("CC BY-NC 4.0: not for commercial use")
    );
    assert_eq!(line(&small_json()), None);
}

#[test]
fn every_rule_of_a_clear_head_is_checked() {
    let refused = |alter: &dyn Fn(&mut Value)| {
        let mut contract = head_json();
        alter(&mut contract);
        read(&contract).unwrap_err().to_string()
    };
    let scores = |pointer: &str, value: Value| {
        refused(&|c| *c["scores"].pointer_mut(pointer).unwrap() = value.clone())
    };
    let form = "contract is not of the expected JSON form";
    let head = |says: &str| format!("clear head of the contract: {says} are needed");
    assert!(scores("/inputs", json!(0)).contains("1 to 1024 integers"));
    assert_eq!(
        scores("/inputs", json!(2)),
        head("3 numbers in a row of hidden.weights, 2")
    );
    assert_eq!(
        scores("/hidden/weights", json!([[1, 0, 0]])),
        head("1 rows of hidden.weights, 2")
    );
    assert_eq!(
        scores("/hidden/weights/1", json!([1, 0])),
        head("2 numbers in a row of hidden.weights, 3")
    );
    assert!(scores("/hidden/bias", json!([])).contains("1 to 1024 units"));
    assert_eq!(
        scores("/hidden/positions", json!([[0, 0]])),
        head("1 rows of hidden.positions, 4")
    );
    assert_eq!(
        scores("/hidden/positions/2", json!([0])),
        head("1 numbers in a row of hidden.positions, 2")
    );
    assert_eq!(
        scores("/pool/attention/1", json!([0])),
        head("1 numbers of an attention head, 2")
    );
    assert_eq!(
        scores("/pool/max", json!(false)),
        head("8 numbers in a row of classes.weights, 6")
    );
    assert_eq!(
        scores("/classes/weights", json!([[1, 0]])),
        head("1 rows of classes.weights, 2")
    );
    assert_eq!(
        scores("/classes/bias", json!([1])),
        head("1 numbers of classes.bias, 2")
    );
    assert!(scores("/pool/attention", json!(vec![[0, 0]; 17])).contains("at most 16 attention heads"));
    let none = json!({"mean": false, "max": false, "attention": []});
    assert!(scores("/pool", none).contains("has a mean, a max or an attention head"));
    for number in [2_097_152.0, -1e300] {
        assert!(scores("/classes/weights/0/3", json!(number)).contains("within 2^20"));
        assert!(scores("/hidden/positions/3/1", json!(number)).contains("within 2^20"));
    }
    assert!(scores("/value_per_integer", json!(1e7)).contains("2^-20 to 2^20"));
    assert!(scores("/temperature", json!(1e-9)).contains("2^-20 to 2^20"));
    assert!(scores("/temperature", json!(0)).contains("positive"));
    assert_eq!(scores("/kind", json!("mean")), form);
    assert_eq!(scores("/pool/mean", json!(1)), form);
    assert_eq!(refused(&|c| c["scores"]["logit_per_integer"] = json!(1)), form);
    assert_eq!(refused(&|c| c["scores"]["pool"]["sum"] = json!(true)), form);
    assert_eq!(refused(&|c| c["scores"]["hidden"]["gain"] = json!([1])), form);
    assert_eq!(refused(&|c| c["scores"]["classes"]["extra"] = json!(1)), form);
    let wide = |c: &mut Value| {
        c["scores"]["inputs"] = json!(1000);
        c["scores"]["hidden"] = json!({"weights": vec![vec![0.5; 1000]; 17], "bias": vec![0; 17]});
        c["scores"]["pool"] = json!({"mean": true, "max": false, "attention": []});
        c["scores"]["classes"] = json!({"weights": vec![vec![1; 17]; 2], "bias": [0, 0]});
    };
    assert!(refused(&wide).contains("at most 16384 numbers"));
}

#[test]
fn every_rule_of_thresholds_and_licence_is_checked() {
    let refused = |alter: &dyn Fn(&mut Value)| {
        let mut contract = head_json();
        alter(&mut contract);
        read(&contract).unwrap_err().to_string()
    };
    let threshold = |key: &str, value: Value| refused(&|c| c["thresholds"][0][key] = value.clone());
    let licence = |key: &str, value: Value| refused(&|c| c["licence"][key] = value.clone());
    let form = "contract is not of the expected JSON form";
    assert!(threshold("class", json!("c")).starts_with("contract threshold 0 is not acceptable: class is"));
    for outside in [0.0, 1.0, -0.5, 1.5] {
        assert!(threshold("probability", json!(outside)).contains("above 0 and below 1"));
    }
    assert!(threshold("text", json!("")).contains("text has"));
    assert!(threshold("text", json!("\u{1b}[31m")).contains("text has"));
    assert_eq!(threshold("extra", json!(1)), form);
    let twice = |c: &mut Value| c["thresholds"] = json!([c["thresholds"][0], c["thresholds"][0]]);
    assert!(refused(&twice).contains("one threshold"));
    assert!(licence("name", json!("")).contains("licence's name"));
    assert!(licence("name", json!("a\nb")).contains("licence's name"));
    assert!(licence("text", json!("")).contains("texts have"));
    assert_eq!(licence("non_commercial", json!("yes")), form);
    assert_eq!(licence("url", json!("x")), form);
    assert_eq!(
        refused(&|c| drop(c.as_object_mut().unwrap().remove("licence"))),
        form
    );
    // What format 3 brings is unknown to format 2.
    for key in ["licence", "thresholds"] {
        let mut plain = small_json();
        plain[key] = head_json()[key].clone();
        assert_eq!(read(&plain).unwrap_err().to_string(), form);
    }
}

#[test]
fn the_largest_output_of_each_class_counts() {
    let contract = small();
    let patches = [vec![4, 1], vec![-9, 8], vec![0, 0], vec![2, 2]];
    let scores = contract.scores(&patches).unwrap();
    assert_eq!(scores.class, 1);
    // Outputs 4 and 8, a logit of 0.25 each: softmax of 1 and 2.
    close(scores.probabilities[1], sigmoid(1.0));
    close(scores.probabilities.iter().sum(), 1.0);
    let map = contract.map(&patches).unwrap();
    let classes: Vec<usize> = map.patches.iter().map(|place| place.class).collect();
    assert_eq!((map.rows, map.weighted, classes), (2, false, vec![0, 1, 0, 0]));
    assert!(
        map.patches
            .iter()
            .all(|place| (place.weight - 0.25).abs() < 1e-15)
    );
    assert!(contract.scores(&patches[1..]).is_err());
    let short = contract.map(&[vec![1], vec![1, 2], vec![1, 2], vec![1, 2]]);
    assert!(short.is_err());
    let debug = format!("{scores:?} {map:?}");
    assert!(!debug.contains("0."), "{debug}");
}
