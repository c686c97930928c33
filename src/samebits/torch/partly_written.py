"""Results of torch's operations of which some elements are written by nobody: other bits in each run.

Such an element is space to work in, padding, or the state of a dropout that is off. Nobody reads it either:
the backward of the operation is given the tensor, and passes over it.
"""

# By the operation without its overload: the numbers of its outputs.
OUTPUTS: dict[str, tuple[int, ...]] = {
    "aten::_batch_norm_with_update": (3,),
    "aten::_ctc_loss": (1,),
    "aten::_cudnn_rnn": (3, 4),
    "aten::_efficient_attention_forward": (1, 2, 3),
    "aten::_flash_attention_forward": (2, 3, 4),
    "aten::_scaled_dot_product_cudnn_attention": (6, 7, 8),
    "aten::_scaled_dot_product_efficient_attention": (1, 2, 3),
    "aten::_scaled_dot_product_flash_attention": (6, 7, 8),
    "aten::cudnn_batch_norm": (3,),
    "aten::miopen_rnn": (3, 4),
    "aten::mkldnn_rnn_layer": (3,),
}
# By the operation that is given these: the names of its arguments.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "aten::_ctc_loss_backward": ("log_alpha",),
    "aten::_cudnn_rnn_backward": ("weight_buf", "reserve"),
    "aten::_efficient_attention_backward": ("logsumexp", "philox_seed", "philox_offset"),
    "aten::_flash_attention_backward": ("rng_state", "unused"),
    "aten::_scaled_dot_product_cudnn_attention_backward": ("philox_seed", "philox_offset"),
    "aten::_scaled_dot_product_efficient_attention_backward": ("logsumexp", "philox_seed", "philox_offset"),
    "aten::_scaled_dot_product_flash_attention_backward": ("philox_seed", "philox_offset"),
    "aten::batch_norm_backward": ("reserve",),
    "aten::cudnn_batch_norm_backward": ("reserveSpace",),
    "aten::miopen_rnn_backward": ("weight_buf", "reserve"),
    "aten::mkldnn_rnn_layer_backward": ("workspace",),
}
