"""template.yaml: the function as AWS SAM deploys it."""

from __future__ import annotations

from compress.package.targets import Target

LAMBDA_MEMORY_MB = (128, 10_240)
MEMORY_MB = 1_769
"""The memory at which Lambda grants one vCPU: a model on one thread gains nothing from more."""

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
      FunctionUrlConfig:
        AuthType: AWS_IAM
Outputs:
  Url:
    Value: !GetAtt ModelUrl.FunctionUrl
"""


def sam_template(target: Target, python: str, memory_mb: int) -> str:
    """Return the template of a Lambda target; its function URL asks for signed requests."""
    return _TEMPLATE.format(python=python, arch=target.sam_arch, memory_mb=memory_mb)
