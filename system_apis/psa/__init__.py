"""The contract `openapi/system/psa`, served the same for every vendor."""
