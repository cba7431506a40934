"""From a specification to the operator that does it: the one place that knows every operator."""

from higgins.model.errors import Corrupt
from higgins.operators.expression.nodes import ExpressionError
from higgins.operators.filter import FilterOperator
from higgins.operators.operator import Operator
from higgins.operators.specification import Specification


def open_operator(specification: Specification) -> Operator:
    """Compile it. Takes milliseconds: call it in a thread. Raises: Corrupt for what this version cannot do."""
    try:
        return FilterOperator(specification)
    except ExpressionError as error:
        raise Corrupt(f"This version of Higgins cannot read the expression of an operator: {error}") from error
