"""A trained model for other programs: ONNX, `torch.export`, and what each input and output is."""
