"""Figures of a language model: what they are, on models small enough to know the answer, and on SmolLM2 within bounds."""

import json

import numpy as np
import pytest
import torch
import transformers
from typer.testing import CliRunner

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.hf import Attention
from fusioncim_sim import language_model, quality, quality_study
from fusioncim_sim.cli import app
from fusioncim_sim.float_attention import ErrorAlone, RoundedOperands, SameOperands, float_attention
from fusioncim_sim.language_model import find_model, load_model, read_text, tokenize, windows
from fusioncim_sim.patterns import exact_rescales, measure_patterns, places, watch
from fusioncim_sim.quality import compare, evaluate, logits, summarize
from test_batched import HEADS, operands
