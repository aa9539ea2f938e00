"""Groups faces by person and photos by likeness; speaks the wire protocol of Alibaba Cloud IMM."""

__version__ = "0.1.0"
