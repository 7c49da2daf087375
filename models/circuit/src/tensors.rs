//! The weights file: safetensors, each tensor read once it is named by a layer.

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::CircuitError;

/// Element types of weights.
const INTEGERS: &str = "I32, I16 or I8";
/// Values all layers may hold together, however often they name the same tensor.
const MAX_VALUES: usize = 64 << 20;

/// The tensors of a circuit.
pub(crate) struct Tensors<'a> {
    file: SafeTensors<'a>,
    /// Values read so far.
    read: usize,
}

impl<'a> Tensors<'a> {
    pub(crate) fn new(file: &'a [u8]) -> Result<Self, CircuitError> {
        let file = SafeTensors::deserialize(file).map_err(CircuitError::Weights)?;
        Ok(Self { file, read: 0 })
    }

    /// Integers of 8, 16 or 32 bits, and the tensor's dimensions.
    pub(crate) fn weights(
        &mut self,
        layer: &str,
        tensor: &str,
    ) -> Result<(Vec<i32>, Vec<usize>), CircuitError> {
        let view = self.view(layer, tensor, INTEGERS)?;
        let data = view.data();
        let values = match view.dtype() {
            Dtype::I8 => data.iter().map(|&byte| i32::from(byte.cast_signed())).collect(),
            Dtype::I16 => numbers(data, |bytes| i16::from_le_bytes(bytes).into()),
            Dtype::I32 => numbers(data, i32::from_le_bytes),
            _ => return Err(missing(layer, tensor, INTEGERS)),
        };
        Ok((values, view.shape().to_vec()))
    }

    /// Integers of 32 bits, and the tensor's dimensions.
    pub(crate) fn table(
        &mut self,
        layer: &str,
        tensor: &str,
    ) -> Result<(Vec<i32>, Vec<usize>), CircuitError> {
        let view = self.view(layer, tensor, "I32")?;
        match view.dtype() {
            Dtype::I32 => Ok((numbers(view.data(), i32::from_le_bytes), view.shape().to_vec())),
            _ => Err(missing(layer, tensor, "I32")),
        }
    }

    /// Integers of 64 bits.
    pub(crate) fn biases(&mut self, layer: &str, tensor: &str) -> Result<Vec<i64>, CircuitError> {
        let view = self.view(layer, tensor, "I64")?;
        match view.dtype() {
            Dtype::I64 => Ok(numbers(view.data(), i64::from_le_bytes)),
            _ => Err(missing(layer, tensor, "I64")),
        }
    }

    fn view(
        &mut self,
        layer: &str,
        tensor: &str,
        want: &'static str,
    ) -> Result<TensorView<'a>, CircuitError> {
        let view = self.file.tensor(tensor);
        let view = view.map_err(|_missing| missing(layer, tensor, want))?;
        self.read = self.read.saturating_add(view.shape().iter().product());
        if self.read > MAX_VALUES {
            return Err(CircuitError::TooManyValues {
                layer: layer.into(),
                max: MAX_VALUES,
            });
        }
        Ok(view)
    }
}

fn numbers<T, const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks::<N>()
        .0
        .iter()
        .map(|&bytes| number(bytes))
        .collect()
}

fn missing(layer: &str, tensor: &str, want: &'static str) -> CircuitError {
    CircuitError::MissingWeights {
        layer: layer.into(),
        tensor: tensor.into(),
        want,
    }
}
