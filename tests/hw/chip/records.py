"""The golden descriptors and sequences of the values of their records."""

from fusioncim_golden.descriptor import Descriptor, HeadTensor, Pages, Sequence, Tensor
from fusioncim_golden.mask import Mask
from fusioncim_golden.record import JOB_FIELDS, MASK, SEQUENCE_FIELDS, TENSORS


def descriptor(values):
    """The golden descriptor of a record's values."""
    values = dict.fromkeys(JOB_FIELDS, 0) | values
    tensors = {
        name: Tensor(**{part: values[f"{name}_{part}"] for part in ("address", "pitch", "head_pitch")})
        for name in TENSORS
    }
    pages = Pages(
        list=values["list"],
        tokens=values["page_tokens"],
        count=values["pages"],
        k_pitch=values["k_page_pitch"],
        v_pitch=values["v_page_pitch"],
    )
    names = ("scales", "queries", "keys", "heads", "kv_heads", "dimension", "value_dimension", "start", "output_bits")
    own = {name: values[name] for name in (*names, "table", "sequences", "intervals", "sinks", "slopes", "kv_bits")}
    heads = {
        name: HeadTensor(address=values[name], pitch=values[f"{name}_pitch"]) if values[name] else None
        for name in ("token_scales", "lse")
    }
    mask = Mask(**{name: values[name] for name in MASK})
    return Descriptor(**tensors, **own, **heads, mask=mask, pages=pages if pages.tokens else None)


def entry(values):
    """The golden sequence of a record's values."""
    own = {name: values[name] for name in SEQUENCE_FIELDS if name not in MASK}
    return Sequence(**own, mask=Mask(**{name: values[name] for name in MASK}))
