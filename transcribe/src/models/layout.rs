//! Which tensors a Whisper model has: their ggml names and shapes, and where a CTranslate2
//! model keeps the same numbers.

use std::ops::Range;

/// The sizes at the head of a ggml file, in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) n_vocab: usize,
    pub(super) n_audio_ctx: usize,
    pub(super) n_audio_state: usize,
    pub(super) n_audio_head: usize,
    pub(super) n_audio_layer: usize,
    pub(super) n_text_ctx: usize,
    pub(super) n_text_state: usize,
    pub(super) n_text_head: usize,
    pub(super) n_text_layer: usize,
    pub(super) n_mels: usize,
}

/// OpenAI's first multilingual vocabulary; smaller ones are English only.
const MULTILINGUAL_VOCAB: usize = 51_865;

impl Sizes {
    /// What is impossible about these sizes, if anything. The bounds are several times the
    /// largest published model (large-v3: width 1280, 32 layers) and keep every product of
    /// them far inside 64 bits.
    pub(super) fn fault(&self) -> Option<String> {
        let bounds = [
            ("vocabulary", self.n_vocab, 50_257..200_001),
            ("audio context", self.n_audio_ctx, 1..6_001),
            ("audio width", self.n_audio_state, 1..8_193),
            ("audio heads", self.n_audio_head, 1..129),
            ("audio layers", self.n_audio_layer, 1..129),
            ("text context", self.n_text_ctx, 1..4_097),
            ("text width", self.n_text_state, 1..8_193),
            ("text heads", self.n_text_head, 1..129),
            ("text layers", self.n_text_layer, 1..129),
            ("mel bands", self.n_mels, 1..257),
        ];
        if let Some((what, value, _)) = bounds.iter().find(|(_, v, range)| !range.contains(v)) {
            return Some(format!("{what} {value} is not that of a Whisper model"));
        }
        if self.n_audio_state != self.n_text_state {
            return Some("encoder and decoder have different widths".to_owned());
        }
        if !self.n_audio_state.is_multiple_of(self.n_audio_head)
            || !self.n_text_state.is_multiple_of(self.n_text_head)
        {
            return Some("the width is not a multiple of the heads".to_owned());
        }
        None
    }

    pub(super) fn is_multilingual(&self) -> bool {
        self.n_vocab >= MULTILINGUAL_VOCAB
    }

    /// How many ordinary tokens precede `<|endoftext|>`.
    pub(super) fn base_tokens(&self) -> usize {
        if self.is_multilingual() {
            50_257
        } else {
            50_256
        }
    }

    /// Every tensor, in the order of OpenAI's checkpoints.
    pub(super) fn tensors(&self) -> Vec<TensorPlan> {
        let mut plan = Plan::default();
        let (text, audio) = (self.n_text_state, self.n_audio_state);
        plan.full(
            "decoder.positional_embedding",
            "decoder/position_encodings/encodings",
            vec![self.n_text_ctx, text],
        );
        plan.half(
            "decoder.token_embedding.weight",
            "decoder/embeddings/weight",
            vec![self.n_vocab, text],
        );
        for layer in 0..self.n_text_layer {
            plan.block("decoder", layer, text);
        }
        plan.norm("decoder.ln", "decoder/layer_norm", text);
        plan.full(
            "encoder.positional_embedding",
            "encoder/position_encodings/encodings",
            vec![self.n_audio_ctx, audio],
        );
        for (conv, inputs) in [("conv1", self.n_mels), ("conv2", audio)] {
            plan.half(
                &format!("encoder.{conv}.weight"),
                &format!("encoder/{conv}/weight"),
                vec![audio, inputs, 3],
            );
            plan.full(
                &format!("encoder.{conv}.bias"),
                &format!("encoder/{conv}/bias"),
                vec![audio, 1],
            );
        }
        for layer in 0..self.n_audio_layer {
            plan.block("encoder", layer, audio);
        }
        plan.norm("encoder.ln_post", "encoder/layer_norm", audio);
        plan.tensors
    }
}

/// One tensor of the ggml file.
#[derive(Debug)]
pub(super) struct TensorPlan {
    /// Name in the ggml file.
    pub(super) name: String,
    /// Shape, outermost first (the file stores it innermost first).
    pub(super) shape: Vec<usize>,
    /// Whether an f16 model stores it as f16; biases, norms and positions stay f32.
    pub(super) half: bool,
    /// Name in the CTranslate2 model.
    pub(super) source: String,
    /// The rows of `source` that are meant, where projections are fused into one matrix.
    pub(super) rows: Option<Range<usize>>,
    /// A bias that Whisper does not have and CTranslate2 fills with zeros: it must be zero.
    pub(super) absent_bias: Option<String>,
}

impl TensorPlan {
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

#[derive(Default)]
struct Plan {
    tensors: Vec<TensorPlan>,
}

impl Plan {
    fn push(&mut self, name: &str, source: &str, shape: Vec<usize>, half: bool) {
        self.tensors.push(TensorPlan {
            name: name.to_owned(),
            shape,
            half,
            source: source.to_owned(),
            rows: None,
            absent_bias: None,
        });
    }

    fn full(&mut self, name: &str, source: &str, shape: Vec<usize>) {
        self.push(name, source, shape, false);
    }

    fn half(&mut self, name: &str, source: &str, shape: Vec<usize>) {
        self.push(name, source, shape, true);
    }

    fn norm(&mut self, name: &str, source: &str, width: usize) {
        self.full(
            &format!("{name}.weight"),
            &format!("{source}/gamma"),
            vec![width],
        );
        self.full(
            &format!("{name}.bias"),
            &format!("{source}/beta"),
            vec![width],
        );
    }

    fn linear(&mut self, name: &str, source: &str, outputs: usize, inputs: usize) {
        self.half(
            &format!("{name}.weight"),
            &format!("{source}/weight"),
            vec![outputs, inputs],
        );
        self.full(
            &format!("{name}.bias"),
            &format!("{source}/bias"),
            vec![outputs],
        );
    }

    /// One of the square projections that CTranslate2 stacks in one matrix.
    fn stacked(&mut self, name: &str, source: &str, part: usize, width: usize) {
        let at = self.tensors.len();
        self.linear(name, source, width, width);
        for tensor in &mut self.tensors[at..] {
            tensor.rows = Some(part * width..(part + 1) * width);
        }
    }

    /// The key projection: Whisper gives it no bias.
    fn stacked_key(&mut self, name: &str, source: &str, part: usize, width: usize) {
        self.stacked(name, source, part, width);
        let bias = self.tensors.pop().map(|bias| bias.source);
        if let Some(weight) = self.tensors.last_mut() {
            weight.absent_bias = bias;
        }
    }

    fn block(&mut self, side: &str, layer: usize, width: usize) {
        let name = format!("{side}.blocks.{layer}");
        let source = format!("{side}/layer_{layer}");
        let own = format!("{source}/self_attention");
        let fused = format!("{own}/linear_0");
        self.stacked(&format!("{name}.attn.query"), &fused, 0, width);
        self.stacked_key(&format!("{name}.attn.key"), &fused, 1, width);
        self.stacked(&format!("{name}.attn.value"), &fused, 2, width);
        self.linear(
            &format!("{name}.attn.out"),
            &format!("{own}/linear_1"),
            width,
            width,
        );
        self.norm(
            &format!("{name}.attn_ln"),
            &format!("{own}/layer_norm"),
            width,
        );
        if side == "decoder" {
            let cross = format!("{source}/attention");
            let fused = format!("{cross}/linear_1");
            let name = format!("{name}.cross_attn");
            self.linear(
                &format!("{name}.query"),
                &format!("{cross}/linear_0"),
                width,
                width,
            );
            self.stacked_key(&format!("{name}.key"), &fused, 0, width);
            self.stacked(&format!("{name}.value"), &fused, 1, width);
            self.linear(
                &format!("{name}.out"),
                &format!("{cross}/linear_2"),
                width,
                width,
            );
            self.norm(&format!("{name}_ln"), &format!("{cross}/layer_norm"), width);
        }
        let ffn = format!("{source}/ffn");
        self.linear(
            &format!("{name}.mlp.0"),
            &format!("{ffn}/linear_0"),
            4 * width,
            width,
        );
        self.linear(
            &format!("{name}.mlp.2"),
            &format!("{ffn}/linear_1"),
            width,
            4 * width,
        );
        self.norm(
            &format!("{name}.mlp_ln"),
            &format!("{ffn}/layer_norm"),
            width,
        );
    }
}
