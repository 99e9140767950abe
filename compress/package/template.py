"""template.yaml: the function as AWS SAM deploys it."""

from __future__ import annotations

from collections.abc import Mapping

LAMBDA_MEMORY_MB = (128, 10_240)
MEMORY_MB = 1_769
"""The memory at which Lambda grants one vCPU: a model on one thread gains nothing from more."""

_ARCHITECTURES: Mapping[str, str] = {"x86_64": "x86_64", "aarch64": "arm64"}
"""What Lambda calls the architectures."""

_TEMPLATE = """\
# Deploy with: sam deploy --guided
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Description: A model that edgepress packaged.
Resources:
  Model:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: function.zip
      Handler: handler.handler
      Runtime: python{python}
      Architectures: [{arch}]
      MemorySize: {memory_mb}
      Timeout: 30
{layers}      FunctionUrlConfig:
        AuthType: AWS_IAM
{layer}Outputs:
  Url:
    Value: !GetAtt ModelUrl.FunctionUrl
"""

_LAYERS = "      Layers: [!Ref Packages]\n"
_LAYER = """\
  Packages:
    Type: AWS::Serverless::LayerVersion
    Properties:
      ContentUri: layer.zip
      CompatibleRuntimes: [python{python}]
      CompatibleArchitectures: [{arch}]
      RetentionPolicy: Delete
"""


def sam_template(arch: str, python: str, *, memory_mb: int, layer: bool) -> str:
    """Return the template of a Lambda target; its function URL asks for signed requests."""
    names = {"arch": _ARCHITECTURES[arch], "python": python}
    return _TEMPLATE.format(
        **names,
        memory_mb=memory_mb,
        layers=_LAYERS if layer else "",
        layer=_LAYER.format(**names) if layer else "",
    )
